import type { Outcome, OutcomeKind } from '../helpers/observation.ts'
import { UsageError } from '../helpers/errors.ts'
import type { Change, Gate } from './gate-model.ts'
import { compareRuns, type GateOptions } from './gate.ts'
import type { Run } from './model.ts'
import { outcomesOf, runWith } from './run.testdata.ts'
import { verdictOf } from './verdict.ts'

/** Pairs of runs for the tests of the gate. */

const file = (name: string, run: Run) => ({ run, file: `${name}.json` })
/** Two runs compared, read from old.json and new.json. */
export const gateOf = (before: Run, after: Run, options: GateOptions = {}): Gate =>
  compareRuns(file('old', before), file('new', after), options)

/** The run as one that came a day later. */
export function later(run: Run): Run {
  const [startedAt, endedAt] = ['2026-11-22T08:00:00.000Z', '2026-11-22T08:01:00.000Z']
  const when = { id: 'later', startedAt, endedAt }
  const legs = structuredClone(run.legs).map(({ origin, ...leg }) =>
    origin === undefined ? leg : { ...leg, origin: { ...origin, run: { ...origin.run, ...when } } },
  )
  return { ...structuredClone(run), legs, run: { ...run.run, ...when }, verdict: verdictOf(legs) }
}

/** A run that was asked these checks and no others. */
export function runOf(outcomes: Outcome[]): Run {
  const run = runWith(outcomes)
  const legs = run.legs.map((leg) => ({ ...leg, outcomes }))
  return { ...run, legs, verdict: verdictOf(legs) }
}

/** Why runs are not compared. */
export function refusal(work: () => unknown): readonly string[] {
  try {
    work()
  } catch (error) {
    if (error instanceof UsageError) return error.problems
    throw error
  }
  return []
}

/** The check that changes in these tests. */
export const one = 'pod-to-pod/cross-node/tcp'

/** All checks, one of them with this outcome, or without it. */
export function withOne(kind: OutcomeKind | 'absent', patch: Partial<Outcome> = {}): Outcome[] {
  return outcomesOf().flatMap((each): Outcome[] => {
    if (each.check !== one) return [each]
    const level = kind === 'unsupported' ? ('extended' as const) : each.level
    return kind === 'absent' ? [] : [{ ...each, level, outcome: kind, reason: `it is ${kind}`, ...patch }]
  })
}

/** What became of it. */
export const changeOfOne = (gate: Gate): Change | undefined =>
  gate.legs[0]?.changes.find(({ check }) => check === one)
