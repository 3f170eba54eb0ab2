import { sleep } from '../await.ts'
import { budgets } from '../budgets.ts'
import type { Step } from '../check-steps.ts'
import type { Check } from '../check.ts'
import type { Observation, Outcome, StepResult } from '../observation.ts'
import type { Met } from './affinity-verdict.ts'
import { cellsOf } from './step-cells.ts'
import { change, stateOf, type Changed, type Made } from './step-changes.ts'
import type { BoundCheck } from './step-plan.ts'
import { lookDuring, type RightSince, type Turn } from './step-rounds.ts'
import type { StepContext } from './steps.ts'

/** Checks in their steps, and how all those of a phase come to the next one. */

/** One check on its way through its steps. */
export interface Running {
  bound: BoundCheck
  made: Made
  observations: Observation[]
  steps: StepResult[]
  measurements: NonNullable<Outcome['measurements']>
  /** Which endpoints its clients met in the step before. */
  met: Met
  /** Why the check ended before its last step; undefined while it goes on. */
  stopped?: string
}

/** A running check in one of its steps. */
export interface RunningTurn extends Turn {
  running: Running
  /** When the pods that it starts were Ready (`performance.now`). */
  readyMs: number
  /** What is to be said of the pods that it has started. */
  started: Observation[]
}

/** Does the step change nothing? */
export const isPlainControl = ({ role, ...step }: Step): boolean =>
  role === 'control' &&
  (['apply', 'delete', 'start', 'terminate', 'stop', 'traces'] as const).every(
    (key) => step[key].length === 0,
  ) &&
  Object.keys(step.types).length === 0 &&
  step.waits === undefined

/** A check in a step whose changes have been made. */
export function turnOf(
  running: Running,
  step: Step,
  readyMs: number,
  { world, declared }: StepContext,
): RunningTurn {
  const enforced = step.effectNeeds === undefined || declared.features.includes(step.effectNeeds)
  const cells = cellsOf(running.bound, step, stateOf(running.made), world, enforced)
  return { running, step, cells, readyMs, started: [] }
}

/** Milliseconds that nobody asks before a step that waits for affinity to end. */
function silenceOf({ services = {} }: Check): number {
  const seconds = Object.values(services).map(({ affinitySeconds = 0 }) => affinitySeconds)
  return Math.max(...seconds) * 1_000 + budgets.affinitySlackMs.ms
}

/** Makes the changes of all checks side by side; while one waits for its pods, the others are looked at already. */
export async function changeAll(
  phase: readonly Running[],
  turning: readonly Pick<RunningTurn, 'running' | 'step'>[],
  rightSince: RightSince<RunningTurn>,
  context: StepContext,
): Promise<(Changed & { turn?: RunningTurn })[]> {
  const isFormer = (ip: string): boolean =>
    phase.some(({ made }) => [...made.former.values()].some((pod) => pod.ip === ip))
  const joined: RunningTurn[] = []
  const changes = turning.map(async ({ running, step }) => {
    if (step.waits !== undefined) await sleep(silenceOf(running.bound.check))
    const changed = await change(running.bound, running.made, step, { ...context, isFormer })
    const { starts, refusal, readyAtMs = performance.now() } = changed
    const ready = [...starts.values()].flatMap((start) => (start.state === 'ready' ? [start.pod] : []))
    if (refusal !== undefined || ready.length < starts.size) return changed
    const turn = turnOf(running, step, readyAtMs, context)
    joined.push(turn)
    await context.meetPods(ready)
    return { ...changed, turn }
  })
  const waits = turning.some(
    ({ step }) => step.start.length + step.stop.length > 0 || step.waits !== undefined,
  )
  if (waits) await lookDuring(joined, Promise.allSettled(changes), rightSince, context)
  return Promise.all(changes)
}
