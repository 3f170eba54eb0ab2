import type { FirstPlan, FirstReport } from '../agent/first-packets.ts'
import { starvedMeasurement } from '../ask-awake.ts'
import { allOver } from '../await.ts'
import { newcomerRole, type Step } from '../check-steps.ts'
import type { Check } from '../check.ts'
import type { Observation, Outcome } from '../observation.ts'
import { messageOf } from '../errors.ts'
import { judgeAffinity, metIn } from './affinity-verdict.ts'
import { firstMeasurements, firstPlan, judgeFirst, nothingKnown } from './first-verdict.ts'
import { givenAway, judgeStart, type LivingPod } from './life-verdict.ts'
import { outcomeOf } from '../outcome.ts'
import { firstCells } from './step-cells.ts'
import { nothing, removeAll, stateOf, type ChangeContext } from './step-changes.ts'
import { tellMoments, type OnMoment } from './step-moments.ts'
import { bindSteps, lanesOf, phasesOf } from './step-plan.ts'
import {
  holdOf,
  judgedRound,
  settle,
  verdictRound,
  type RightSince,
  type RoundContext,
  type Seen,
} from './step-rounds.ts'
import { timesOf } from './step-times.ts'
import { lookForTraces, type Tracer } from './step-traces.ts'
import { changeAll, isPlainControl, turnOf, type Running, type RunningTurn } from './step-turns.ts'
import { failedControl, judgeStep } from './step-verdict.ts'
import { sharedPods } from './shared-pods.ts'
import { rounded } from '../inspect.ts'
import type { WorldPod } from '../world.ts'

/** What checks with steps are run on. */
export interface StepContext extends RoundContext, ChangeContext {
  /** Looks for traces of pods on their nodes; undefined without access to them. */
  tracer?: Tracer
  /** Starts a pod like `template` under this name, and returns what it could reach from its first moment. */
  startNewcomer(template: WorldPod, newcomer: WorldPod, plan: FirstPlan): Promise<FirstReport>
  /** Opens the control streams of pods that have started: they are asked with all others from now on. */
  meetPods(pods: readonly WorldPod[]): Promise<void>
  /** The pods that have an address of their own now. */
  livingPods(): Promise<readonly LivingPod[]>
  /** Told of the moments of a phase: the place for faults. */
  onMoment?: OnMoment
}

/**
 * Runs checks with steps: those that do not touch each other's pods side by side, phase after phase. All probes of a
 * step, over all checks of its phase, go in one batch. What a check applied is deleted whatever happens.
 *
 * @returns one outcome per check, in their order
 * @throws {BudgetExceeded} when a policy cannot be deleted again: nothing that comes after would mean anything
 * @throws the signal's reason
 */
export async function runSteps(checks: readonly Check[], given: StepContext): Promise<Outcome[]> {
  const context = { ...given, ...sharedPods(given) }
  const running = checks.map((check): Running => ({
    bound: bindSteps(check, context.world),
    made: nothing(),
    observations: [],
    steps: [],
    measurements: [],
    met: new Map(),
  }))
  await stopBroken(running, context)
  const byBound = new Map(running.map((each) => [each.bound, each]))
  const able = running.filter(({ stopped }) => stopped === undefined).map(({ bound }) => bound)
  // Moments are told of one after the other.
  const lanes = context.onMoment === undefined ? lanesOf(able, context.world) : [able]
  await allOver(
    lanes.map(async (lane) => {
      for (const phase of phasesOf(lane, context.world)) {
        await runPhase(
          phase.flatMap((bound) => byBound.get(bound) ?? []),
          context,
        )
      }
    }),
  )
  return running.map((each) => outcomeFor(each, context))
}

/**
 * The first controls of all checks in one batch: where paths do not work, that costs one budget and not one for each
 * phase. The checks that it stops are written down; the others ask again when their turn comes.
 */
async function stopBroken(running: readonly Running[], context: StepContext): Promise<void> {
  const startedMs = performance.now()
  const turns = running.flatMap((each) => {
    const [step] = each.bound.steps
    return step !== undefined && isPlainControl(step) ? [turnOf(each, step, startedMs, context)] : []
  })
  if (turns.length === 0) return
  const seen = await judgedRound(turns, context)
  for (const turn of turns) {
    const observations = await judged(turn, seen, context)
    if (offOf(observations).length > 0) writeDown(turn, observations, startedMs)
  }
}

async function runPhase(phase: readonly Running[], context: StepContext): Promise<void> {
  const longest = Math.max(0, ...phase.map(({ bound }) => bound.steps.length))
  try {
    for (let index = 0; index < longest; index++) {
      context.signal?.throwIfAborted()
      await runStep(phase, index, context)
    }
  } finally {
    await context.onMoment?.('ending', [])
    await Promise.all(phase.map(({ bound, made }) => removeAll(bound, made, context)))
    await context.onMoment?.('ended', [])
  }
}

/** The step of this number of every check in the phase. */
async function runStep(phase: readonly Running[], index: number, context: StepContext): Promise<void> {
  const turning = phase.flatMap((running) => {
    const step = running.stopped === undefined ? running.bound.steps[index] : undefined
    return step === undefined ? [] : [{ running, step }]
  })
  await tellMoments('before', turning, context.onMoment)
  const startedMs = performance.now()
  const rightSince: RightSince<RunningTurn> = new Map()
  const changed = await changeAll(phase, turning, rightSince, context)
  await tellMoments('after', turning, context.onMoment)
  const living = changed.some(({ starts }) => starts.size > 0) ? await context.livingPods() : []
  const turns = turning.flatMap(({ running, step }, at) => {
    const { refusal, starts = new Map(), measurements = [], turn } = changed[at] ?? {}
    running.measurements.push(...measurements)
    if (refusal !== undefined) running.stopped = `in step "${step.name}" ${refusal}`
    const started = [...starts].map(([role, start]) =>
      judgeStart(step, podOf(running, role), start, living, context.world),
    )
    if (turn !== undefined) return [Object.assign(turn, { started })]
    // Without its pods the step has nobody to ask.
    writeDown({ running, step }, ofControl(step, started), startedMs)
    running.stopped ??= `in step "${step.name}" not every pod became Ready`
    return []
  })
  if (turns.length > 0) await askTurns(turns, startedMs, rightSince, context)
}

function podOf({ bound }: Running, role: string): WorldPod {
  const pod = bound.pods.get(role)
  if (pod === undefined) throw new Error(`${bound.check.id} declares no pod "${role}"`)
  return pod
}

/** Asks the flows of all turns, until they are as they must be or stand still. */
async function askTurns(
  turns: readonly RunningTurn[],
  startedMs: number,
  rightSince: RightSince<RunningTurn>,
  context: StepContext,
): Promise<void> {
  const holdMs = Math.max(...turns.map(({ step }) => holdOf(step, context.declared)))
  const looking = Promise.all(
    turns.map(({ running, step }) => lookForTraces(step, running.made, context.tracer, context)),
  )
  const isPlain = turns.every(({ step }) => isPlainControl(step))
  const [seen, looks] = await Promise.all([
    isPlain ? judgedRound(turns, context) : settle(turns, startedMs, holdMs, rightSince, context),
    looking,
  ])
  for (const [at, turn] of turns.entries()) {
    const { running, step, cells, readyMs } = turn
    const traced = looks[at] ?? { observations: [], measurements: [] }
    running.measurements.push(...traced.measurements)
    if (turn.starvedMs !== undefined) running.measurements.push(starvedMeasurement(turn.starvedMs))
    const flows = await judged(turn, seen, context)
    const observations = [
      ...flows,
      ...ofControl(step, traced.observations),
      ...judgeAffinity(step, cells, running.met, flows),
    ]
    running.met = metIn(flows)
    const isRight = offOf(observations).length === 0
    const first = isRight ? await firstPackets(running, step, context) : []
    writeDown(turn, [...observations, ...first], startedMs)
    const nodes = rightSince.get(turn)
    if (isPlain || !isRight || nodes === undefined) continue
    const { measurements } = running
    measurements.push(...timesOf(step, cells, { startedMs, readyMs, nodes }, measurements))
  }
}

/** What a pod that starts now reaches, where the step asks for one; only when the policies are known to be enforced. */
async function firstPackets(running: Running, step: Step, context: StepContext): Promise<Observation[]> {
  const { bound, made, measurements } = running
  const newcomer = bound.pods.get(newcomerRole)
  const template = bound.pods.get(step.newcomer?.like ?? '')
  if (newcomer === undefined || template === undefined) return []
  const cells = firstCells(bound, step, stateOf(made), context.world)
  try {
    const report = await context.startNewcomer(template, newcomer, firstPlan(cells))
    measurements.push(...firstMeasurements(cells, report))
    return judgeFirst(step, cells, report)
  } catch (error) {
    return nothingKnown(step, cells, messageOf(error))
  }
}

const offOf = (observations: readonly Observation[]): Observation[] =>
  observations.filter(({ verdict, expected }) => verdict !== expected)

/** Of a control: what it missed makes the rest unknown. */
const ofControl = ({ role }: Step, observations: readonly Observation[]): Observation[] =>
  observations.map((each) =>
    role === 'control' && each.verdict !== each.expected ? failedControl(each, false) : each,
  )

async function judged(
  turn: RunningTurn,
  seen: Seen<RunningTurn>,
  context: StepContext,
): Promise<Observation[]> {
  const { step, cells, started } = turn
  const observations = judgeStep(step, seen.get(turn) ?? [], context.declared, verdictRound.deniedMs)
  const living = offOf(observations).length > 0 ? await context.livingPods() : []
  return [
    ...ofControl(step, started),
    ...observations.map((each, index) => {
      const cell = cells[index]
      return cell === undefined ? each : givenAway(cell, each, living)
    }),
  ]
}

/** A control that went well is counted, not listed; one that did not ends its check. */
function writeDown(
  { running, step }: Pick<RunningTurn, 'running' | 'step'>,
  observations: readonly Observation[],
  startedMs: number,
): void {
  const isControl = step.role === 'control'
  const off = offOf(observations)
  if (isControl && off.length > 0) running.stopped = `step "${step.name}" did not hold`
  running.observations.push(...(isControl ? off : observations))
  running.steps.push({
    name: step.name,
    role: step.role,
    probes: observations.length,
    asExpected: observations.length - off.length,
    ms: rounded(performance.now() - startedMs),
  })
}

function outcomeFor(running: Running, { declared }: StepContext): Outcome {
  const { bound, observations, steps, measurements, stopped } = running
  const durationMs = steps.reduce((sum, { ms }) => sum + ms, 0)
  const outcome = outcomeOf(bound.check, observations, durationMs, declared)
  // What a check saw before it had to end is no reason to pass.
  const cutShort = stopped !== undefined && (observations.length === 0 || outcome.outcome === 'passed')
  return {
    ...outcome,
    ...(cutShort ? { outcome: 'not-run', reason: stopped } : {}),
    steps,
    ...(measurements.length === 0 ? {} : { measurements }),
  }
}
