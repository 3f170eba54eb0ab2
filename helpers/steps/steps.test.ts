import { describe, expect, test } from 'vitest'
import { networkPolicyChecks } from '../../suites/network-policy.checks.ts'
import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { Outcome } from '../observation.ts'
import { runSteps } from './steps.ts'
import { simulate } from './steps.testdata.ts'
import { healthyWorld } from '../world.testdata.ts'

const world = healthyWorld()
const one = (id: string): Check[] => networkPolicyChecks.filter((check) => check.id === id)
const ingress = one('network-policy/ingress/allow-pod')
const declaration = one('network-policy/declaration')

const kinds = (outcomes: readonly Outcome[]): string[] => [...new Set(outcomes.map(({ outcome }) => outcome))]

// Side by side: what stands still is given up after policySettledMs.
describe.concurrent('checks with steps', () => {
  describe('on a network that enforces policies', () => {
    test('every check passes, and everything that was applied is deleted', async () => {
      const network = simulate({ world, enforcedAfterMs: 60, restoredAfterMs: 60 })
      const outcomes = await runSteps(networkPolicyChecks, network)
      expect(outcomes.filter(({ outcome }) => outcome !== 'passed')).toEqual([])
      expect(outcomes.map(({ check }) => check)).toEqual(networkPolicyChecks.map(({ id }) => id))
      const { changes } = network.log
      const names = (what: string) =>
        changes
          .filter((each) => each.startsWith(what))
          .map((each) => each.slice(what.length))
          .toSorted()
      expect(names('delete ')).toEqual(names('apply '))
      expect(changes.length).toBeGreaterThan(30)
    })

    test('the time until a policy is enforced, and until it is gone, is measured', async () => {
      const [outcome] = await runSteps(
        ingress,
        simulate({ world, enforcedAfterMs: 300, restoredAfterMs: 500 }),
      )
      const measured = Object.fromEntries((outcome?.measurements ?? []).map(({ name, ms }) => [name, ms]))
      // Far below the 8 s in which flows come to rest, and far above what a busy machine adds.
      expect(measured['policy created to enforced']).toBeGreaterThanOrEqual(300)
      expect(measured['policy created to enforced']).toBeLessThan(4_000)
      expect(measured['policy deleted to restored']).toBeGreaterThanOrEqual(500)
      expect(measured['policy deleted to restored']).toBeLessThan(4_000)
    })

    test('all probes of the checks of a phase go in one batch', async () => {
      const network = simulate({ world })
      await runSteps(networkPolicyChecks, network)
      const together = network.log.batches.map((batch) => new Set(batch.map(({ check }) => check.id)).size)
      // The first controls of all; then never more than the two that do not touch each other's pods.
      expect(together[0]).toBe(networkPolicyChecks.length)
      expect(together.slice(1).every((count) => count <= 2)).toBe(true)
      expect(together.slice(1).filter((count) => count === 2).length).toBeGreaterThan(20)
    })
  })

  describe('on a network where something is wrong', () => {
    test('a policy that nobody enforces fails the check, naming the policy', async () => {
      const [outcome] = await runSteps(ingress, simulate({ world, enforces: () => false }))
      expect(outcome?.outcome).toBe('failed')
      expect(outcome?.reason).toContain('reached, expected timed-out')
      expect(outcome?.reason).toContain('ingress of cnic-main/worker1-b is denied by cnic-main/')
    })

    test('a policy of one transport that is not enforced fails the check', async () => {
      const network = simulate({
        world,
        breaks: (_from, _to, protocol) => (protocol === 'udp' ? 'answered' : undefined),
      })
      expect(kinds(await runSteps(ingress, network))).toEqual(['failed'])
    })

    test('a policy that is only enforced between nodes fails the check', async () => {
      const network = simulate({
        world,
        breaks: (from, to) => (from.node === to.node ? 'answered' : undefined),
      })
      expect(kinds(await runSteps(ingress, network))).toEqual(['failed'])
    })

    test('a refusal is no silence, unless the cluster declares that its policies refuse', async () => {
      const refuses = {
        world,
        breaks: (_f: unknown, _t: unknown, _p: string, denied: boolean) => (denied ? 'refused' : undefined),
      } as const
      const [outcome] = await runSteps(ingress, simulate(refuses))
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(outcome?.reason).toContain('refused, expected timed-out')
      const declared = simulate({ ...refuses, features: ['network-policy', 'network-policy-refuses'] })
      expect(kinds(await runSteps(ingress, declared))).toEqual(['passed'])
    })

    test('a policy that denies too much fails the check', async () => {
      const network = simulate({
        world,
        breaks: (from, to, _protocol, denied) =>
          !denied && network.log.changes.length === 2 && from.name === 'worker2-a' && to.name === 'worker1-b'
            ? 'timeout'
            : undefined,
      })
      const [outcome] = await runSteps(ingress, network)
      expect(outcome?.outcome).toBe('failed')
      expect(outcome?.reason).toContain('is allowed by cnic-main/ingress-allow-pod-allow')
    })

    test('a path that does not work before the policy makes the check not-run, and no policy is applied', async () => {
      const network = simulate({
        world,
        breaks: (from) => (from.name === 'worker1-a' ? 'timeout' : undefined),
      })
      const [outcome] = await runSteps(ingress, network)
      expect(outcome).toMatchObject({ outcome: 'not-run' })
      expect(outcome?.reason).toContain('a deny proves nothing')
      expect(network.log.changes).toEqual([])
    })

    test('a server that gets no processor for a while is asked again, before the policy and under it', async () => {
      let startedMs = 0
      const starves = (): boolean => {
        const { batches, changes } = network.log
        if (changes.length === 0) return batches.length <= 2
        startedMs ||= performance.now()
        return performance.now() - startedMs < budgets.policySettledMs.ms + 1_000
      }
      const network = simulate({
        world,
        breaks: (_from, _to, protocol, denied) =>
          protocol === 'udp' && !denied && network.log.changes.length === 0 && starves()
            ? 'timeout'
            : undefined,
        waitedMs: ([probe]) => (probe?.questions.length === 3 && starves() ? 2_000 : 0),
      })
      const [outcome] = await runSteps(ingress, network)
      expect(outcome).toMatchObject({ outcome: 'passed' })
      const waits = (outcome?.measurements ?? []).filter(({ name }) => name.endsWith('had a processor'))
      expect(Math.max(...waits.map(({ ms }) => ms))).toBeGreaterThanOrEqual(budgets.policySettledMs.ms)
    })

    test('a client that falls silent altogether under the policy is no deny', async () => {
      const network = simulate({
        world,
        breaks: (from, to) =>
          network.log.changes.length === 2 && [from.name, to.name].includes('worker1-a')
            ? 'timeout'
            : undefined,
      })
      const [outcome] = await runSteps(ingress, network)
      expect(outcome?.outcome).toBe('failed')
      const denied = outcome?.observations.find(
        ({ from, to }) => from.name.endsWith('1-a') && to.name.endsWith('1-b'),
      )
      expect(denied).toMatchObject({ verdict: 'unknown', expected: 'timed-out' })
      expect(denied?.detail).toContain('nobody got an answer from or to cnic-main/worker1-a')
    })

    test('a control that answers later than a denied probe waits is none', async () => {
      const slow = simulate({ world, answerMs: (from) => (from.name === 'worker2-other' ? 1_200 : 1) })
      const [outcome] = await runSteps(ingress, slow)
      expect(outcome).toMatchObject({ outcome: 'not-run' })
      expect(outcome?.reason).toContain(
        'nobody got an answer from or to cnic-other/worker2-other within 1000 ms',
      )
    })

    test('a pod that reaches itself is no control of its own silence', async () => {
      const [check] = ingress
      const [before, under, after] = check?.steps ?? []
      if (check === undefined || before === undefined || under === undefined || after === undefined) return
      const alone = {
        ...under,
        flows: [
          { from: ['near'], to: ['subject'], via: 'pod-ip' as const, protocols: ['tcp' as const] },
          { from: ['subject'], to: ['subject'], via: 'pod-ip' as const, protocols: ['tcp' as const] },
          { from: ['near'], to: ['far'], via: 'pod-ip' as const, protocols: ['tcp' as const] },
        ],
      }
      const [outcome] = await runSteps([{ ...check, steps: [before, alone, after] }], simulate({ world }))
      expect(outcome).toMatchObject({ outcome: 'not-run' })
      expect(outcome?.reason).toContain('from or to cnic-main/worker1-b within')
    })

    test('where paths do not work, all checks are stopped by one batch', async () => {
      const network = simulate({ world, breaks: () => 'timeout' })
      const outcomes = await runSteps(networkPolicyChecks, network)
      expect(kinds(outcomes)).toEqual(['not-run'])
      expect(network.log.batches).toHaveLength(1)
    })

    test('an agent without a stream makes not-run, whatever is silent', async () => {
      const outcomes = await runSteps(ingress, simulate({ world, dead: ['worker1-b'] }))
      expect(kinds(outcomes)).toEqual(['not-run'])
    })

    test('traffic that does not come back: the removal fails, for the others the control is missing', async () => {
      const checks = [
        ...one('network-policy/ingress/removal'),
        ...one('network-policy/egress/allow-namespace'),
      ]
      const outcomes = await runSteps(checks, simulate({ world, restoredAfterMs: 60_000 }))
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['failed', 'not-run'])
      expect(outcomes[1]?.reason).toContain('control:')
    })

    test('a new pod that reaches what is denied for a moment fails the check, and the moment is measured', async () => {
      const podStart = one('network-policy/egress/pod-start')
      const [leaks] = await runSteps(podStart, simulate({ world, leakMs: 250 }))
      expect(leaks?.outcome).toBe('failed')
      expect(leaks?.reason).toContain('the last of them begun 350 ms after the start of its program')
      expect(leaks?.measurements).toContainEqual({ name: 'leak after pod start', ms: 350 })
      const [tight] = await runSteps(podStart, simulate({ world }))
      expect(tight?.outcome).toBe('passed')
      expect(tight?.measurements).toContainEqual({ name: 'leak after pod start', ms: 0 })
      expect(tight?.measurements).toContainEqual({ name: 'pod start to first allowed answer', ms: 140 })
    })

    test('what the API server refuses is said, and nothing is judged', async () => {
      const [outcome] = await runSteps(ingress, simulate({ world, refusal: 'HTTP 403: forbidden' }))
      expect(outcome).toMatchObject({ outcome: 'not-run' })
      expect(outcome?.reason).toBe(
        'in step "under the policy" the API server did not accept policy ingress-allow-pod-deny: HTTP 403: forbidden',
      )
    })

    test('an abort ends the run and leaves no policy behind', async () => {
      const abort = new AbortController()
      const network = simulate({ world, enforcedAfterMs: 60_000 })
      const ending = runSteps(ingress, { ...network, signal: abort.signal })
      setTimeout(() => abort.abort(new Error('the user has had enough')), 200)
      await expect(ending).rejects.toThrow('the user has had enough')
      expect(network.log.changes.map((each) => each.split(' ')[0])).toEqual([
        'apply',
        'apply',
        'delete',
        'delete',
      ])
    })
  })

  describe('where the cluster does not declare network-policy', () => {
    test('flows that go on long enough pass', async () => {
      const network = simulate({ world, features: [], enforces: () => false })
      const [outcome] = await runSteps(declaration, network)
      expect(outcome?.outcome).toBe('passed')
      const step = outcome?.steps?.find(({ name }) => name === 'under the policy')
      expect(step?.ms).toBeGreaterThanOrEqual(budgets.policyIgnoredMs.ms)
      expect(outcome?.measurements).toBeUndefined()
    })

    test('a policy that is enforced all the same is a failure of the declaration', async () => {
      const [outcome] = await runSteps(declaration, simulate({ world, features: [], enforcedAfterMs: 1_000 }))
      expect(outcome?.outcome).toBe('failed')
      expect(outcome?.reason).toContain('timed-out, expected reached')
      expect(outcome?.reason).toContain(
        'the cluster does not declare network-policy: somebody enforces policies here',
      )
    })
  })
})
