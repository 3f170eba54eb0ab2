import picomatch from 'picomatch'
import { budgets } from '../../helpers/budgets.ts'
import { isHeavy, isLasting, isLight, isPlain, type Check } from '../../helpers/check.ts'
import type { Outcome } from '../../helpers/observation.ts'
import { missingFeatures } from '../../helpers/outcome.ts'
import type { RunOptions } from '../../helpers/session.ts'
import type { Moment } from '../../helpers/steps/step-moments.ts'
import { stepMoments, type Fault, type FaultContext } from './fault.ts'

/** One cell of the detection matrix that is not as the fault declares it. */
interface WrongCell {
  check: string
  wanted: string
  got: string
  reason: string | undefined
}

/** What one fault did to the checks. */
export interface Detection {
  fault: string
  red: string[]
  wrong: WrongCell[]
  /** Why the fault did not take; undefined when it did. */
  vacuous: string | undefined
  /** Checks that are not green again after healing, each with its reason. */
  unhealed: string[]
  /** Until the paths answered again, in milliseconds. */
  healedMs: number
  /** What the checks came to while it lasted. */
  outcomes: Outcome[]
}

/** A fault is there and stays: flows that do not do what they must within this will not do it later. In milliseconds. */
const settledMs = 2_000

/** Injects a fault, runs the checks, compares every cell, heals, and proves that all is green again. */
export async function detect(
  fault: Fault,
  checks: readonly Check[],
  context: FaultContext,
): Promise<Detection> {
  const isStepped = picomatch([...(fault.stepped ?? [])])
  // What comes with the steps of a check is made when the others have been asked: they could say nothing about it.
  const comesWithSteps = fault.when in stepMoments
  // What comes in the middle of the light checks is over, or half over, when the heavy ones are asked after them.
  const isLate = (check: Check): boolean => fault.when === 'mid-run' && isHeavy(check)
  const asked = checks.filter((check) =>
    isPlain(check) && !isLasting(check) ? !comesWithSteps && !isLate(check) : isStepped(check.id),
  )
  let outcomes: Outcome[] = []
  let vacuous: string | undefined
  try {
    if (fault.when === 'before-run') await fault.inject(context, [])
    outcomes = await context.session.run(asked, {
      ...injecting(fault, context),
      settledMs: fault.settledMs ?? settledMs,
    })
    vacuous = await fault.vacuous(context, outcomes)
  } finally {
    await fault.heal(context)
  }
  const light = checks.filter(isLight)
  const { converged, ms } = await context.session.converge(light)
  const rest = asked.filter((check) => !isLight(check))
  const unhealed = await stillRed(converged ? rest : [...light, ...rest], context)
  const wanted = wantedOf(fault, asked, context)
  return {
    fault: fault.id,
    red: outcomes.filter(isRed).map(({ check }) => check),
    wrong: outcomes.flatMap(({ check, outcome, reason }) => {
      const kinds = wanted(check)
      return kinds.includes(outcome) ? [] : [{ check, wanted: kinds.join(' or '), got: outcome, reason }]
    }),
    vacuous,
    unhealed: unhealed.map(({ check, reason }) => `${check}: ${reason}`),
    healedMs: ms,
    outcomes,
  }
}

/** What is not green when healing has had its time: an agent that was paused has a backlog to work off. */
async function stillRed(checks: readonly Check[], { session }: FaultContext): Promise<Outcome[]> {
  const startedMs = performance.now()
  let asked = checks
  for (;;) {
    const red = asked.length === 0 ? [] : (await session.run(asked)).filter(isRed)
    if (red.length === 0 || performance.now() - startedMs > budgets.faultMs.ms) return red
    asked = asked.filter(({ id }) => red.some(({ check }) => check === id))
  }
}

const isRed = ({ outcome }: Outcome): boolean => outcome === 'failed' || outcome === 'not-run'

/** When the run itself makes and mends the fault. */
function injecting(fault: Fault, context: FaultContext): RunOptions {
  const { when } = fault
  if (when === 'before-run') return {}
  if (when === 'mid-run') return { beforeAsking: () => fault.inject(context, []) }
  const [begins, ...ends]: readonly Moment[] = stepMoments[when]
  return {
    async onMoment(moment, lives) {
      if (ends.includes(moment)) await fault.heal(context)
      if (moment === begins) await fault.inject(context, lives)
    },
  }
}

/** How each check may end, as the fault declares it. */
function wantedOf(
  fault: Fault,
  checks: readonly Check[],
  { world, declared, cni, kubeProxy, workers }: FaultContext,
): (id: string) => Outcome['outcome'][] {
  const turnsRed = picomatch([...fault.red({ ...world, cni: cni.name, kubeProxy })])
  const mayTurnRed = picomatch([...(fault.either ?? [])])
  const { inconclusive = [] } = fault
  const saysNothing = picomatch([
    ...(typeof inconclusive === 'function'
      ? inconclusive({ cni, kubeProxy, declared, workers })
      : inconclusive),
  ])
  const unsupported = new Set(
    checks.filter((check) => missingFeatures(check, declared).length > 0).map(({ id }) => id),
  )
  // A check with a declared deviation is as healthy as it gets.
  const healthy = (id: string): Outcome['outcome'] =>
    declared.expect.some((each) => declared.matches(each.check, id)) ? 'expected' : 'passed'
  return (id) => {
    if (unsupported.has(id)) return ['unsupported']
    if (saysNothing(id)) return ['not-run']
    if (turnsRed(id)) return [fault.outcome]
    return mayTurnRed(id) ? [healthy(id), fault.outcome] : [healthy(id)]
  }
}
