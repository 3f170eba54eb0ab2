import { describe, inject, test } from 'vitest'
import type { Check, Outcome } from './check.ts'

/** The cluster of a leg did not come up, so nothing is known about its network. */
class ClusterNotReady extends Error {
  override readonly name = 'ClusterNotReady'
}

/** A check did not pass; the message names both ends and what was seen. */
class ProbeFailed extends Error {
  override readonly name = 'ProbeFailed'
}

/**
 * Turns checks into Vitest tests. The run itself is over by then (suites/setup.ts); each test shows one outcome and
 * skips with the outcome's reason where it is unsupported or an expected deviation.
 *
 * @param topic title of the group
 */
export function conformance(topic: string, checks: readonly Check[]): void {
  describe(topic, () => {
    const leg = inject('leg')
    for (const check of checks) {
      test(check.id, ({ skip }) => {
        if (leg.state === 'failed') throw new ClusterNotReady(`${leg.cluster}: ${leg.reason}`)
        const outcome = leg.outcomes.find((each) => each.check === check.id)
        if (outcome === undefined)
          throw new ClusterNotReady(`${leg.cluster}: the run has no outcome of ${check.id}`)
        if (outcome.outcome === 'unsupported' || outcome.outcome === 'expected')
          skip(`${outcome.outcome}: ${outcome.reason}`)
        if (outcome.outcome !== 'passed') throw new ProbeFailed(failureText(leg.cluster, outcome))
      })
    }
  })
}

function failureText(cluster: string, outcome: Outcome): string {
  const lines = outcome.observations
    .filter(({ verdict, expected }) => verdict !== expected)
    .map(({ step, from, to, protocol, verdict, expected, detail }) => {
      const ends = `${from.name} (${from.node ?? '-'}, ${from.address ?? '-'}) -> ${to.name} (${to.node ?? '-'}, ${to.address ?? '-'})`
      return `  ${step === undefined ? '' : `${step}: `}${ends} ${protocol}: ${verdict}, expected ${expected}: ${detail ?? ''}`
    })
  return [`${outcome.check} on ${cluster}: ${outcome.outcome}`, outcome.requirement, ...lines].join('\n')
}
