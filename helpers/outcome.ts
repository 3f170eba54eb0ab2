import type { Check } from './check.ts'
import { isRunNeed, runNeeds, type RunNeed } from './check-rules.ts'
import type { Verdict } from './check-probes.ts'
import type { Observation, Outcome } from './observation.ts'
import { rounded } from './inspect.ts'

/** Declared deviations of a cluster, as in its definition. */
interface Deviation {
  check: string
  verdict: Verdict
  reason: string
  issue: string
  until: string
}

/** Stands in a definition for what it does not say of a cluster that stands already. */
export const undeclared = 'unknown'

/** What a cluster declares that bears on outcomes. */
export interface Declared {
  features: readonly string[]
  expect: readonly Deviation[]
  /** There is no definition: nobody has said what the cluster does, nor what it does not. */
  byNobody?: true
  /** Does a deviation's check glob match this id? */
  matches(glob: string, id: string): boolean
}

/** The same, with what the run itself has beside it. */
export const withNeeds = (declared: Declared, has: readonly RunNeed[]): Declared => ({
  ...declared,
  features: [...declared.features, ...has],
})

/** What a check needs and neither the cluster declares nor the run has. Of features core checks need none. */
export function missingFeatures(check: Check, declared: Declared): string[] {
  return check.features.filter(
    (need) => !declared.features.includes(need) && (check.level !== 'core' || isRunNeed(need)),
  )
}

/** The one place where the outcome of a check is made. */
export function outcomeOf(
  check: Check,
  observations: readonly Observation[],
  durationMs: number,
  declared: Declared,
): Outcome {
  const base = {
    check: check.id,
    level: check.level,
    covers: check.covers,
    requirement: check.requirement,
    ...(check.rung === undefined ? {} : { rung: check.rung }),
    ...(check.features.length === 0 ? {} : { features: check.features }),
    ...(check.own === true ? { own: true as const } : {}),
    durationMs: rounded(durationMs),
    observations: [...observations],
  }
  const missing = missingFeatures(check, declared)
  if (missing.length > 0) {
    return { ...base, outcome: 'unsupported', reason: missingText(missing) }
  }
  const off = observations.filter((each) => each.verdict !== each.expected)
  const wrongOnes = off.filter((each) => each.verdict !== 'unknown')
  const deviations = declared.expect.filter((each) => declared.matches(each.check, check.id))
  if (observations.length === 0) return { ...base, outcome: 'not-run', reason: 'no probe was sent' }
  const [stale] = deviations.filter(({ verdict }) => !off.some((each) => each.verdict === verdict))
  const foreign = wrongOnes.filter((each) => !deviations.some(({ verdict }) => verdict === each.verdict))
  if (foreign.length > 0) return { ...base, outcome: 'failed', reason: reasonOf(foreign) }
  if (off.length > wrongOnes.length) {
    return wrongOnes.length > 0
      ? { ...base, outcome: 'failed', reason: reasonOf(wrongOnes) }
      : { ...base, outcome: 'not-run', reason: reasonOf(off) }
  }
  // Also where another deviation of the same check is still seen: what is declared must be true.
  if (stale !== undefined) return { ...base, outcome: 'failed', reason: staleText(stale, wrongOnes.length) }
  if (deviations.length > 0) {
    return { ...base, outcome: 'expected', reason: deviations.map(deviationText).join('; ') }
  }
  return { ...base, outcome: 'passed' }
}

function missingText(missing: readonly string[]): string {
  const features = missing.filter((need) => !isRunNeed(need))
  const declare = `the cluster does not declare ${features.join(', ')}: \`features: [${features.join(', ')}]\` in its definition does`
  return [
    ...(features.length === 0 ? [] : [declare]),
    ...missing.filter(isRunNeed).map((need) => runNeeds[need]),
  ].join('; ')
}

const deviationText = (deviation: Deviation): string =>
  `${deviation.verdict} is expected until ${deviation.until}: ${deviation.reason} (${deviation.issue})`

const staleText = ({ verdict, issue }: Deviation, others: number): string =>
  others === 0
    ? `passes, although the cluster file expects ${verdict}: remove the deviation (${issue})`
    : `${verdict} is no longer seen, although the cluster file expects it: remove that deviation (${issue})`

function reasonOf(off: readonly Observation[]): string {
  const [first] = off
  if (first === undefined) return ''
  const more = off.length > 1 ? ` (and ${off.length - 1} more)` : ''
  const when = first.step === undefined ? '' : `${first.step}: `
  const detail = first.detail === undefined ? '' : `: ${first.detail}`
  return `${when}${first.verdict}, expected ${first.expected}: ${first.probe}${detail}${more}`
}
