import { expect, test } from 'vitest'
import { networkPolicyChecks } from '../../suites/network-policy.checks.ts'
import { budgets } from '../budgets.ts'
import type { Outcome } from '../observation.ts'
import type { Declared } from '../outcome.ts'
import { healthyWorld } from '../world.testdata.ts'
import { runSteps } from './steps.ts'
import { simulate, type Simulated } from './steps.testdata.ts'

const id = 'network-policy/ingress/allow-pod'
const check = networkPolicyChecks.filter((each) => each.id === id)
const world = healthyWorld()

const expecting = (...verdicts: Declared['expect'][number]['verdict'][]): Declared['expect'] =>
  verdicts.map((verdict) => ({ check: id, verdict, reason: 'so it is', issue: 'none', until: '2099-01-01' }))

/** What comes of the check, and how long its policy was looked at. */
async function seenWith(
  deviations: Declared['expect'],
  network: Partial<Simulated>,
): Promise<[Outcome, number]> {
  const context = simulate({ world, ...network })
  const declared = {
    ...context.declared,
    expect: deviations,
    matches: (glob: string, one: string) => glob === one,
  }
  const [outcome] = await runSteps(check, { ...context, declared })
  if (outcome === undefined) throw new Error('no outcome')
  return [outcome, Math.max(...(outcome.steps ?? []).map(({ ms }) => ms))]
}

const notEnforced = { enforces: () => false }
const { declaredSettledMs, policySettledMs } = budgets

test.concurrent('what the cluster declares, and nothing else, is believed sooner', async () => {
  const [outcome, ms] = await seenWith(expecting('reached'), notEnforced)
  expect(outcome.outcome).toBe('expected')
  expect(ms).toBeGreaterThanOrEqual(declaredSettledMs.ms)
  expect(ms).toBeLessThan(policySettledMs.ms)
})

test.concurrent(
  'what it does not declare gets its whole time, and so does what is declared and not seen',
  async () => {
    const asked = [expecting(), expecting('timed-out'), expecting('reached', 'timed-out')]
    for (const [outcome, ms] of await Promise.all(asked.map((each) => seenWith(each, notEnforced)))) {
      expect(outcome.outcome).toBe('failed')
      expect(ms).toBeGreaterThanOrEqual(policySettledMs.ms)
    }
  },
)

test.concurrent(
  'what mends itself within that time is seen to do so: the deviation is to be removed',
  async () => {
    const [outcome] = await seenWith(expecting('reached'), { enforcedAfterMs: declaredSettledMs.ms / 2 })
    expect(outcome).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('remove the deviation'),
    })
  },
)

test.concurrent('what mends itself later is no pass', async () => {
  const [outcome] = await seenWith(expecting('reached'), { enforcedAfterMs: 2 * policySettledMs.ms })
  expect(outcome.outcome).toBe('expected')
})
