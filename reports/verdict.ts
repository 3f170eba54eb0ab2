import type { Outcome, OutcomeKind } from '../helpers/observation.ts'
import { isRunNeed } from '../helpers/check-rules.ts'
import { exitCodes } from '../helpers/errors.ts'
import type { Leg, RunVerdict } from './model.ts'
import { count, listed, oneLine } from './text.ts'

/** What a verdict looks at. */
export type JudgedLeg = Pick<Leg, 'outcomes' | 'setupFailure' | 'abortedBy'> & {
  cluster: Pick<Leg['cluster'], 'name'>
}

/** How many checks ended in each outcome; the numbers add up to the number of outcomes. */
export function countsOf(outcomes: readonly Outcome[]): Record<OutcomeKind, number> {
  const counts: Record<OutcomeKind, number> = {
    passed: 0,
    failed: 0,
    unsupported: 0,
    expected: 0,
    'not-run': 0,
  }
  for (const { outcome } of outcomes) counts[outcome] += 1
  return counts
}

/**
 * Why a leg says nothing, or not everything, about its network; empty when it does. A leg is only ever green on
 * positive evidence: at least one core check has passed.
 */
export function openEndsOf(leg: JudgedLeg): string[] {
  const counts = countsOf(leg.outcomes)
  const unsupportedCore = leg.outcomes.filter(
    ({ level, outcome, features = [] }) =>
      level === 'core' && outcome === 'unsupported' && !features.some(isRunNeed),
  )
  const ends: string[] = []
  if (leg.setupFailure !== undefined)
    ends.push(`set-up failed in phase ${leg.setupFailure.phase}: ${oneLine(leg.setupFailure.what, 200)}`)
  if (leg.abortedBy !== undefined)
    ends.push(leg.abortedBy === 'timeout' ? 'the time was over' : `ended by ${leg.abortedBy}`)
  // After a failed set-up it goes without saying that nothing ran.
  const noneRan = counts['not-run'] === leg.outcomes.length
  if (counts['not-run'] > 0 && !(noneRan && leg.setupFailure !== undefined)) {
    ends.push(
      noneRan ? 'no check ran' : `${counts['not-run']} of ${count(leg.outcomes.length, 'check')} did not run`,
    )
  }
  if (unsupportedCore.length > 0)
    ends.push(`core checks cannot be unsupported: ${listed(unsupportedCore.map(({ check }) => check))}`)
  if (ends.length === 0 && counts.failed === 0 && !leg.outcomes.some(isPassedCore))
    ends.push(leg.outcomes.length === 0 ? 'no check was planned' : 'no core check passed')
  return ends
}

const isPassedCore = ({ level, outcome }: Outcome): boolean => level === 'core' && outcome === 'passed'

/** The one place where the exit code and its sentence are made. */
export function verdictOf(legs: readonly JudgedLeg[]): RunVerdict {
  if (legs.length === 0) return { exitCode: exitCodes.inconclusive, text: 'no verdict: nothing ran' }
  const signal = legs.map(({ abortedBy }) => abortedBy).find((by) => by === 'SIGINT' || by === 'SIGTERM')
  const failed = legs.some((leg) => countsOf(leg.outcomes).failed > 0)
  const open = legs.some((leg) => openEndsOf(leg).length > 0)
  const said = legs.map(sentenceOf).join('; ')
  if (signal === 'SIGINT') return { exitCode: exitCodes.sigint, text: `interrupted: ${said}` }
  if (signal === 'SIGTERM') return { exitCode: exitCodes.sigterm, text: `terminated: ${said}` }
  if (failed) return { exitCode: exitCodes.failed, text: said }
  return { exitCode: open ? exitCodes.inconclusive : exitCodes.passed, text: said }
}

function sentenceOf(leg: JudgedLeg): string {
  const counts = countsOf(leg.outcomes)
  const { name } = leg.cluster
  const open = openEndsOf(leg).join(', ')
  if (counts.failed > 0) {
    const text = `${counts.failed} of ${count(leg.outcomes.length, 'check')} failed on ${name}`
    return open === '' ? text : `${text} (and ${open})`
  }
  return open === '' ? `${passedText(counts)} on ${name}` : `no verdict on ${name}: ${open}`
}

function passedText(counts: Record<OutcomeKind, number>): string {
  const parts = [`${count(counts.passed, 'check')} passed`]
  if (counts.expected > 0) parts.push(`${counts.expected} deviated as expected`)
  if (counts.unsupported > 0) parts.push(`${counts.unsupported} unsupported`)
  return listed(parts)
}

/** What an exit code means, for people. */
export const exitCodeMeanings: Readonly<Record<RunVerdict['exitCode'], string>> = {
  0: 'all required checks passed',
  1: 'conformance failure',
  3: 'inconclusive: no verdict about the network',
  130: 'interrupted',
  143: 'terminated',
}
