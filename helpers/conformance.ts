import { beforeAll, describe, inject, test } from 'vitest'
import { budgets } from './budgets.ts'
import type { Check } from './check.ts'
import type { Outcome } from './observation.ts'
import type { LegState } from './held-run.ts'

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
 * skips with the outcome's reason where it is unsupported or an expected deviation. Checks that the run did not know are
 * asked on its cluster, all at once.
 *
 * @param topic title of the group
 */
export function conformance(topic: string, checks: readonly Check[]): void {
  describe(topic, () => {
    const leg = providedLeg()
    const known = leg.state === 'ran' ? leg.outcomes : []
    const unknown = checks.filter(({ id }) => !known.some(({ check }) => check === id))
    let asked: readonly Outcome[] = []
    if (leg.state === 'ran' && unknown.length > 0) {
      beforeAll(async () => void (asked = await askOn(leg.handleFile, unknown)), budgets.ownChecksMs.ms)
    }
    for (const check of checks) {
      test(check.id, ({ skip }) => {
        if (leg.state === 'failed') throw new ClusterNotReady(`${leg.cluster}: ${leg.reason}`)
        const outcome = [...known, ...asked].find((each) => each.check === check.id)
        if (outcome === undefined)
          throw new ClusterNotReady(`${leg.cluster}: the run has no outcome of ${check.id}`)
        if (outcome.outcome === 'unsupported' || outcome.outcome === 'expected')
          skip(`${outcome.outcome}: ${outcome.reason}`)
        if (outcome.outcome !== 'passed') throw new ProbeFailed(failureText(leg.cluster, outcome))
      })
    }
  })
}

/** Without the set-up nothing has made a cluster, and the tests say so. */
function providedLeg(): LegState {
  const leg: LegState | undefined = inject('leg')
  const reason = "globalSetup in vitest.config.ts does not name 'cni-conformance/setup'"
  return leg ?? { state: 'failed', cluster: 'no cluster', reason }
}

async function askOn(handleFile: string, checks: readonly Check[]): Promise<Outcome[]> {
  // The Kubernetes client takes 0.4 s to load, which suites without checks of their own do not pay.
  const { attach, readLegHandle } = await import('./leg-handle.ts')
  const { session, close } = await attach(await readLegHandle(handleFile))
  try {
    return await session.run(checks)
  } finally {
    close()
  }
}

function failureText(cluster: string, outcome: Outcome): string {
  const lines = outcome.observations
    .filter(({ verdict, expected }) => verdict !== expected)
    .map(({ step, from, to, protocol, verdict, expected, detail }) => {
      const ends = `${from.name} (${from.node ?? '-'}, ${from.address ?? '-'}) -> ${to.name} (${to.node ?? '-'}, ${to.address ?? '-'})`
      return `  ${step === undefined ? '' : `${step}: `}${ends} ${protocol}: ${verdict}, expected ${expected}: ${detail ?? ''}`
    })
  const packets = outcome.packets === undefined ? [] : [`  packets: ${outcome.packets}`]
  return [
    `${outcome.check} on ${cluster}: ${outcome.outcome}`,
    outcome.requirement,
    ...lines,
    ...packets,
  ].join('\n')
}
