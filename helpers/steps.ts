import type { V1NetworkPolicy } from '@kubernetes/client-node'
import { awaitUntil } from './await.ts'
import { budgets } from './budgets.ts'
import type { FirstPlan, FirstReport } from './agent/first-packets.ts'
import { newcomerRole, type Step } from './check-steps.ts'
import type { Check, Observation, Outcome, StepResult } from './check.ts'
import { messageOf } from './errors.ts'
import { firstMeasurements, firstPlan, judgeFirst, nothingKnown } from './first-verdict.ts'
import { apiMessage, type Kube } from './kube.ts'
import type { NodeLooks } from './node-looks.ts'
import { outcomeOf } from './outcome.ts'
import { bindSteps, cellsOf, firstCells, phasesOf, type BoundCheck, type Cell } from './step-plan.ts'
import { round, settle, verdictRound, type RoundContext, type Seen } from './step-rounds.ts'
import { judgeStep } from './step-verdict.ts'
import { rounded } from './verdict.ts'
import type { WorldPod } from './world.ts'

/** What checks with steps are run on. */
export interface StepContext extends RoundContext {
  kube: Pick<Kube, 'tryApply' | 'networking'>
  /** The look from the nodes; undefined without access to them. */
  looks?: NodeLooks
  /** Starts a pod like `template` under this name, and returns what it could reach from its first moment. */
  startNewcomer(template: WorldPod, newcomer: WorldPod, plan: FirstPlan): Promise<FirstReport>
  /** Told when policies were applied, when they are about to be deleted, and when a phase is over: the place for faults. */
  onMoment?: (moment: Moment) => Promise<void>
}

/** Moments in the life of the policies of a phase. */
export type Moment = 'applied' | 'deleting' | 'ended'

/** One check on its way through its steps. */
interface Running {
  bound: BoundCheck
  /** Its policies that are in force now, by the name that the check gives them. */
  inForce: Map<string, V1NetworkPolicy>
  observations: Observation[]
  steps: StepResult[]
  measurements: NonNullable<Outcome['measurements']>
  /** Why the check ended before its last step; undefined while it goes on. */
  stopped?: string
}

/** A running check in one of its steps. */
interface RunningTurn {
  running: Running
  step: Step
  cells: Cell[]
}

/**
 * Runs checks with steps: those that do not touch each other's pods side by side, phase after phase. All probes of a
 * step, over all checks of its phase, go in one batch. What a check applied is deleted whatever happens.
 *
 * @returns one outcome per check, in their order
 * @throws {BudgetExceeded} when a policy cannot be deleted again: nothing that comes after would mean anything
 * @throws the signal's reason
 */
export async function runSteps(checks: readonly Check[], context: StepContext): Promise<Outcome[]> {
  const running = checks.map((check): Running => ({
    bound: bindSteps(check, context.world),
    inForce: new Map(),
    observations: [],
    steps: [],
    measurements: [],
  }))
  await stopBroken(running, context)
  const byBound = new Map(running.map((each) => [each.bound, each]))
  const able = running.filter(({ stopped }) => stopped === undefined).map(({ bound }) => bound)
  for (const phase of phasesOf(able, context.world)) {
    await runPhase(
      phase.flatMap((bound) => byBound.get(bound) ?? []),
      context,
    )
  }
  return running.map((each) => outcomeFor(each, context))
}

/**
 * The first controls of all checks in one batch: where paths do not work, that costs one budget and not one for each
 * phase. The checks that it stops are written down; the others ask again when their turn comes.
 */
async function stopBroken(running: readonly Running[], context: StepContext): Promise<void> {
  const turns = running.flatMap((each) => {
    const [step] = each.bound.steps
    return step !== undefined && isPlainControl(step) ? [turnOf(each, step, context)] : []
  })
  if (turns.length === 0) return
  const startedMs = performance.now()
  const seen = await round(turns, verdictRound, context)
  for (const turn of turns) {
    const { observations, off } = judged(turn, seen, context)
    if (off.length > 0) writeDown(turn, observations, off, startedMs)
  }
}

const isPlainControl = ({ role, apply, delete: deleted }: Step): boolean =>
  role === 'control' && apply.length === 0 && deleted.length === 0

async function runPhase(phase: readonly Running[], context: StepContext): Promise<void> {
  const longest = Math.max(0, ...phase.map(({ bound }) => bound.steps.length))
  try {
    for (let index = 0; index < longest; index++) {
      context.signal?.throwIfAborted()
      await runStep(phase, index, context)
    }
  } finally {
    await Promise.all(phase.map((running) => remove(running, [...running.inForce.keys()], context)))
    await context.onMoment?.('ended')
  }
}

/** The step of this number of every check in the phase. */
async function runStep(phase: readonly Running[], index: number, context: StepContext): Promise<void> {
  const turning = phase.flatMap((running) => {
    const step = running.stopped === undefined ? running.bound.steps[index] : undefined
    return step === undefined ? [] : [{ running, step }]
  })
  if (turning.some(({ step }) => step.delete.length > 0)) await context.onMoment?.('deleting')
  const startedMs = performance.now()
  await Promise.all(turning.map(({ running, step }) => change(running, step, context)))
  if (turning.some(({ step }) => step.apply.length > 0)) await context.onMoment?.('applied')
  const turns = turning
    .filter(({ running }) => running.stopped === undefined)
    .map(({ running, step }) => turnOf(running, step, context))
  if (turns.length === 0) return
  const holdMs = Math.max(...turns.map(({ step }) => holdOf(step, context)))
  const { seen, rightAtMs } = turns.every(({ step }) => isPlainControl(step))
    ? { seen: await round(turns, verdictRound, context), rightAtMs: new Map<RunningTurn, number>() }
    : await settle(turns, startedMs, holdMs, context)
  for (const turn of turns) {
    const { observations, off } = judged(turn, seen, context)
    const first = off.length === 0 ? await firstPackets(turn.running, turn.step, context) : []
    const offFirst = first.filter(({ verdict, expected }) => verdict !== expected)
    writeDown(turn, [...observations, ...first], [...off, ...offFirst], startedMs)
    const rightMs = rightAtMs.get(turn)
    if (off.length === 0 && rightMs !== undefined) measure(turn, rounded(rightMs - startedMs))
  }
}

/** What a pod that starts now reaches, where the step asks for one; only when the policies are known to be enforced. */
async function firstPackets(running: Running, step: Step, context: StepContext): Promise<Observation[]> {
  const { bound, inForce, measurements } = running
  const newcomer = bound.pods.get(newcomerRole)
  const template = bound.pods.get(step.newcomer?.like ?? '')
  if (newcomer === undefined || template === undefined) return []
  const cells = firstCells(bound, step, [...inForce.values()], context.world)
  try {
    const report = await context.startNewcomer(template, newcomer, firstPlan(cells))
    measurements.push(...firstMeasurements(cells, report))
    return judgeFirst(step, cells, report)
  } catch (error) {
    return nothingKnown(step, cells, messageOf(error))
  }
}

function turnOf(running: Running, step: Step, { world, declared }: StepContext): RunningTurn {
  const enforced = step.effectNeeds === undefined || declared.features.includes(step.effectNeeds)
  return {
    running,
    step,
    cells: cellsOf(running.bound, step, [...running.inForce.values()], world, enforced),
  }
}

/** How long flows must go on where the cluster does not declare that anybody enforces the policy. */
const holdOf = ({ apply, effectNeeds }: Step, { declared }: StepContext): number =>
  apply.length > 0 && effectNeeds !== undefined && !declared.features.includes(effectNeeds)
    ? budgets.policyIgnoredMs.ms
    : 0

/** Deletes and applies what the step says. What the API server refuses ends the check. */
async function change(running: Running, step: Step, context: StepContext): Promise<void> {
  await remove(running, step.delete, context)
  const refusals = await Promise.all(
    step.apply.map(async (name) => {
      const policy = running.bound.policies.get(name)
      if (policy === undefined) throw new Error(`${running.bound.check.id} declares no policy "${name}"`)
      // Before the request: one that got no answer may have been carried out.
      running.inForce.set(name, policy)
      const refusal = await context.kube.tryApply(policy)
      return refusal === undefined ? [] : [`policy ${policy.metadata?.name}: ${refusal}`]
    }),
  )
  const [first] = refusals.flat()
  if (first !== undefined) running.stopped = `in step "${step.name}" the API server did not accept ${first}`
}

async function remove(running: Running, names: readonly string[], { kube }: StepContext): Promise<void> {
  for (const policyName of names) {
    const { name = '', namespace = '' } = running.inForce.get(policyName)?.metadata ?? {}
    await awaitUntil(
      async () => {
        try {
          await kube.networking.deleteNamespacedNetworkPolicy({ name, namespace })
        } catch (error) {
          const seen = apiMessage(error)
          if (!seen.startsWith('HTTP 404')) return { done: false, seen }
        }
        return { done: true, value: undefined }
      },
      {
        what: `policy ${namespace}/${name} of ${running.bound.check.id} to be deleted`,
        budget: budgets.policyEnforcedMs,
        next: `delete it by hand: kubectl -n ${namespace} delete networkpolicy ${name}`,
      },
    )
    running.inForce.delete(policyName)
  }
}

interface Judged {
  observations: Observation[]
  off: Observation[]
}

function judged(turn: RunningTurn, seen: Seen<RunningTurn>, { declared }: StepContext): Judged {
  const observations = judgeStep(turn.step, seen.get(turn) ?? [], declared, verdictRound.deniedMs)
  return { observations, off: observations.filter(({ verdict, expected }) => verdict !== expected) }
}

/** A control that went well is counted, not listed; one that did not ends its check. */
function writeDown(
  { running, step }: RunningTurn,
  observations: readonly Observation[],
  off: readonly Observation[],
  startedMs: number,
): void {
  const isControl = step.role === 'control'
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

const enforcedName = 'policy created to enforced'

/** Until the sending of the first round that saw every cell right, and so did all after it: an upper bound, one round wide. */
function measure({ running, step, cells }: RunningTurn, ms: number): void {
  const { measurements } = running
  if (step.apply.length > 0 && cells.some(({ allowed }) => !allowed))
    measurements.push({ name: enforcedName, ms })
  // Where nothing was enforced there is nothing to restore.
  else if (step.delete.length > 0 && measurements.some(({ name }) => name === enforcedName))
    measurements.push({ name: 'policy deleted to restored', ms })
}

function outcomeFor(running: Running, { declared }: StepContext): Outcome {
  const { bound, observations, steps, measurements, stopped } = running
  const durationMs = steps.reduce((sum, { ms }) => sum + ms, 0)
  const outcome = outcomeOf(bound.check, observations, durationMs, declared)
  return {
    ...outcome,
    ...(observations.length === 0 && stopped !== undefined ? { reason: stopped } : {}),
    steps,
    ...(measurements.length === 0 ? {} : { measurements }),
  }
}
