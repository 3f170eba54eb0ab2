import picomatch from 'picomatch'
import type { Check, Outcome } from '../../helpers/check.ts'
import type { Fault, FaultContext } from './fault.ts'

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
  /** All checks green again after healing, and in how many milliseconds. */
  healed: boolean
  healedMs: number
  /** Checks that were still not green when healing was given up. */
  outcomes: Outcome[]
}

/** Injects a fault, runs the checks, compares every cell, heals, and proves that all is green again. */
export async function detect(
  fault: Fault,
  checks: readonly Check[],
  context: FaultContext,
): Promise<Detection> {
  const isRed = picomatch([...fault.red(context.world)])
  const mayBeRed = picomatch([...(fault.either ?? [])])
  let outcomes: Outcome[] = []
  let vacuous: string | undefined
  try {
    if (fault.when === 'before-run') await fault.inject(context)
    outcomes = await context.session.run(
      checks,
      fault.when === 'mid-run' ? { beforeAsking: () => fault.inject(context) } : {},
    )
    vacuous = await fault.vacuous(context, outcomes)
  } finally {
    await fault.heal(context)
  }
  const { converged, ms } = await context.session.converge(checks)
  const wrong = outcomes.flatMap(({ check, outcome, reason }) => {
    const wanted = isRed(check) ? fault.outcome : 'passed'
    const right = outcome === wanted || (mayBeRed(check) && outcome === fault.outcome)
    return right ? [] : [{ check, wanted, got: outcome, reason }]
  })
  return {
    fault: fault.id,
    red: outcomes.filter(({ outcome }) => outcome !== 'passed').map(({ check }) => check),
    wrong,
    vacuous,
    healed: converged,
    healedMs: ms,
    outcomes,
  }
}
