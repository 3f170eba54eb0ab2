import { describe, expect, test } from 'vitest'
import { lifeCycleChecks } from '../../suites/life-cycle.checks.ts'
import { defineCheck, type Check } from '../check.ts'
import type { Outcome } from '../observation.ts'
import type { LifeFaults } from './life.testdata.ts'
import { runSteps } from './steps.ts'
import { simulate, type Simulated } from './steps.testdata.ts'
import { healthyWorld } from '../world.testdata.ts'

const world = healthyWorld()
const one = (id: string): Check[] => lifeCycleChecks.filter((check) => check.id === `life-cycle/${id}`)

async function outcomeOn(id: string, life: LifeFaults, more: Partial<Simulated> = {}) {
  const network = simulate({ world, life, ...more })
  const [outcome] = await runSteps(one(id), { ...network, settledMs: 300 })
  return { outcome, changes: network.log.changes }
}

const measured = ({ measurements = [] }: Outcome): string[] => measurements.map(({ name }) => name)

/** What was made and is still there. */
function leftOver(changes: readonly string[]): string[] {
  const open = new Map<string, number>()
  for (const change of changes) {
    const [what = '', name = ''] = change.split(' ')
    const step = what === 'start' || what === 'create' ? 1 : -1
    open.set(name, (open.get(name) ?? 0) + step)
  }
  return [...open].filter(([, count]) => count > 0).map(([name]) => name)
}

describe.concurrent('checks of what comes and goes', () => {
  test('pass on a healthy network, measure, and leave nothing behind', async () => {
    const network = simulate({ world })
    const outcomes = await runSteps(lifeCycleChecks, network)
    expect(outcomes.filter(({ outcome }) => outcome !== 'passed')).toEqual([])
    expect(leftOver(network.log.changes)).toEqual([])
    expect(new Set(outcomes.flatMap(measured))).toEqual(
      new Set([
        'pod created to Ready',
        'pod created to answered from both nodes',
        'pod deleted to gone from the API',
        'pod deleted to nothing answers',
        'pod deleted to traces gone',
        'Service created to answered from every node',
        'Service deleted to nothing answers',
        'Service created to its record at every DNS server',
        'Service deleted to no record at any DNS server',
        ...['worker1', 'worker2'].flatMap((node) => [
          `endpoint Ready to answering, from ${node}`,
          `endpoint deleted to no new connection, from ${node}`,
          `Service changed to NodePort, from ${node}`,
          `Service changed to ClusterIP, from ${node}`,
        ]),
      ]),
    )
  })

  test('have pods together that come and go in the same steps, and no others', async () => {
    const together = ['pod/creation', 'pod/no-stale-answer', 'pod/former-record', 'service/udp-after-zero']
    const network = simulate({ world })
    const outcomes = await runSteps([...together, 'pod/traces'].flatMap(one), network)
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(outcomes.map(() => 'passed'))
    const changed = (what: string) => network.log.changes.filter((change) => change.startsWith(`${what} `))
    // Twice that of the four, once that whose steps are others.
    expect(new Set(changed('start')).size).toBe(2)
    expect(changed('start')).toHaveLength(3)
    expect(changed('stop')).toHaveLength(3)
    const apart = simulate({ world })
    await runSteps(one('service/scaled-to-zero'), apart)
    expect(new Set(apart.log.changes.filter((change) => change.startsWith('start '))).size).toBe(2)
  })

  test('that have a pod together fail together when it does not start, and leave nothing behind', async () => {
    const network = simulate({
      world,
      life: { start: (_pod, nth) => (nth === 0 ? undefined : { state: 'no-network', event: 'refused' }) },
    })
    const outcomes = await runSteps(['pod/creation', 'pod/no-stale-answer'].flatMap(one), {
      ...network,
      settledMs: 300,
    })
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['failed', 'failed'])
    expect(leftOver(network.log.changes)).toEqual([])
  })

  describe('a new pod', () => {
    test('that the network plugin could not set up is evidence against the network', async () => {
      const event = 'FailedCreatePodSandBox: plugin type="x" failed (add): no agent'
      const { outcome, changes } = await outcomeOn('pod/creation', {
        start: () => ({ state: 'no-network', event }),
      })
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(outcome?.reason).toContain('unreachable, expected reached')
      expect(outcome?.reason).toContain(event)
      expect(leftOver(changes)).toEqual([])
    })

    test('that does not start for another reason makes the check not-run', async () => {
      const start = () => ({ state: 'unknown', why: 'ImagePullBackOff' }) as const
      const { outcome } = await outcomeOn('pod/creation', { start })
      expect(outcome).toMatchObject({ outcome: 'not-run' })
      expect(outcome?.reason).toContain('ImagePullBackOff')
    })

    test('that was fine the first time and gets no network the second fails the check', async () => {
      const { outcome } = await outcomeOn('pod/creation', {
        start: (_pod, nth) => (nth === 0 ? undefined : { state: 'no-network', event: 'refused' }),
      })
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(outcome?.reason).toContain('after its recreation')
    })

    test('that does not start the second time, for whatever reason, is no pass', async () => {
      const { outcome } = await outcomeOn('pod/creation', {
        start: (_pod, nth) => (nth === 0 ? undefined : { state: 'unknown', why: 'no room' }),
      })
      expect(outcome).toMatchObject({ outcome: 'not-run' })
    })

    test('that nobody reaches fails the check', async () => {
      const { outcome } = await outcomeOn(
        'pod/creation',
        {},
        { breaks: (_from, to) => (to.name.endsWith('subject') ? 'timeout' : undefined) },
      )
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(outcome?.reason).toContain('runs there and is Ready')
    })

    test('with the address of another pod, or one from elsewhere, fails the check', async () => {
      const taken = await outcomeOn('pod/creation', { addresses: [world.pods[0]?.ip ?? ''] })
      expect(taken.outcome?.reason).toContain('is also the address of cnic-main/worker1-a')
      const foreign = await outcomeOn('pod/creation', { addresses: ['192.0.2.7'] })
      expect(foreign.outcome?.outcome).toBe('failed')
      expect(foreign.outcome?.reason).toContain('192.0.2.7 is outside 10.244.0.0/16')
    })

    test('whose deletion does not end makes the check not-run, and the run ends', async () => {
      const network = simulate({ world, life: { stays: 'it is still there' } })
      await expect(runSteps(one('pod/creation'), network)).rejects.toThrow('it is still there')
    })
  })

  describe('the address of a deleted pod', () => {
    const stale = 'pod/no-stale-answer'

    test('that somebody refuses at has an owner', async () => {
      const { outcome } = await outcomeOn(stale, { ghost: () => 'refused' })
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(outcome?.reason).toContain('after its deletion: refused, expected timed-out')
      expect(outcome?.reason).toContain('is gone')
    })

    test('that another pod answers at is found', async () => {
      const { outcome } = await outcomeOn(stale, { ghost: () => world.pods[1] })
      expect(outcome?.reason).toContain('wrong-peer, expected timed-out')
      expect(outcome?.reason).toContain('answered by cnic-main/worker1-b')
    })

    test('that is silent until the pod is made anew is found too', async () => {
      const { outcome } = await outcomeOn(stale, {
        ghost: (_ip, _from, life) => [...life.running.values()][0],
      })
      expect(outcome?.reason).toContain('after its recreation: wrong-peer')
    })

    test('that a router calls unreachable is free', async () => {
      const { outcome } = await outcomeOn(stale, { ghost: () => 'unreachable' })
      expect(outcome?.outcome).toBe('passed')
    })

    test('that answers one node only is found', async () => {
      const { outcome } = await outcomeOn(stale, {
        ghost: (_ip, from) => (from.node === 'worker2' ? 'refused' : undefined),
      })
      const off = outcome?.observations.filter(({ verdict, expected }) => verdict !== expected)
      expect(new Set(off?.map(({ from }) => from.node))).toEqual(new Set(['worker2']))
    })

    test('is silent for an unknown reason where its clients get no answer from anybody', async () => {
      let dead = false
      const { outcome } = await outcomeOn(
        stale,
        {
          ghost: () => {
            dead = true
            return undefined
          },
        },
        {
          breaks: (from, to) =>
            dead && [from, to].some(({ name }) => name === 'worker1-a') ? 'timeout' : undefined,
        },
      )
      const silent = outcome?.observations.find(
        ({ from, to, step }) =>
          step === 'after its deletion' && from.name.endsWith('1-a') && to.name.endsWith('(deleted)'),
      )
      expect(silent).toMatchObject({ verdict: 'unknown' })
      expect(silent?.detail).toContain('nobody got an answer from or to cnic-main/worker1-a')
    })

    test('was never reached: then its silence is no news', async () => {
      const { outcome } = await outcomeOn(
        stale,
        {},
        { breaks: (_from, to) => (to.name.endsWith('subject') ? 'timeout' : undefined) },
      )
      expect(outcome).toMatchObject({ outcome: 'not-run' })
      expect(outcome?.reason).toContain('the silence that comes after it proves nothing')
    })

    test('that the new pod gets again is changed for another, or nothing is said of it', async () => {
      const [old, other] = ['10.244.1.200', '10.244.1.201']
      const again = await outcomeOn(stale, { addresses: [old, old, other] })
      expect(again.outcome?.outcome).toBe('passed')
      const always = await outcomeOn(stale, { addresses: Array.from({ length: 9 }, () => old) })
      expect(always.outcome).toMatchObject({ outcome: 'not-run' })
      expect(always.outcome?.reason).toContain('10.244.1.200 is now the address of cnic-main/')
      expect(leftOver(always.changes)).toEqual([])
    })
  })

  test('no pod keeps the former address of another check, about which nothing could be said', async () => {
    // Of three pods, and the second time each has that of another one.
    const addresses = [200, 201, 202, 201, 202, 200].map((each) => `10.244.1.${each}`)
    const checks = [...one('pod/no-stale-answer'), ...one('service/scaled-to-zero')]
    const network = simulate({ world, life: { addresses } })
    const outcomes = await runSteps(checks, { ...network, settledMs: 300 })
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['passed', 'passed'])
    const starts = network.log.changes.filter((change) => change.startsWith('start '))
    expect(starts.length).toBeGreaterThan(6)
  })

  describe('the record of a former address', () => {
    test('that leads to the new pod fails the check', async () => {
      const { outcome } = await outcomeOn('pod/former-record', {
        ghost: (_ip, _from, life) => [...life.running.values()][0],
      })
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(outcome?.reason).toContain('after its recreation: wrong-peer, expected timed-out')
    })

    test('that is not made any more is right', async () => {
      const { outcome } = await outcomeOn('pod/former-record', { ghost: () => 'no-such-name' })
      expect(outcome?.outcome).toBe('passed')
    })
  })

  describe('traces on the node', () => {
    test('that stay are named, by what they are', async () => {
      const { outcome } = await outcomeOn('pod/traces', { left: ['route', 'address'], leftForMs: 60_000 })
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(outcome?.reason).toContain('still there: route of 10.244.1.100, address of 10.244.1.100')
    })

    test('that go in time are waited for, and the time is measured', async () => {
      const { outcome } = await outcomeOn('pod/traces', { leftForMs: 200 })
      expect(outcome?.outcome).toBe('passed')
      const gone = outcome?.measurements?.find(({ name }) => name === 'pod deleted to traces gone')
      expect(gone?.ms).toBeGreaterThanOrEqual(200)
    })

    test('need access to the node', async () => {
      const { tracer: _none, ...network } = simulate({ world })
      const [outcome] = await runSteps(one('pod/traces'), network)
      expect(outcome).toMatchObject({ outcome: 'not-run' })
    })
  })

  describe('a Service', () => {
    test('that is not served when it is new fails its creation, and of its deletion nothing is known', async () => {
      const life = { servicesUnserved: true }
      const { outcome, changes } = await outcomeOn('service/creation', life)
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(outcome?.reason).toContain('Service service-creation-behind-near exists')
      expect(leftOver(changes)).toEqual([])
      const deletion = await outcomeOn('service/deletion', life)
      expect(deletion.outcome).toMatchObject({ outcome: 'not-run' })
    })

    test('that is served on after its deletion fails the check', async () => {
      const { outcome } = await outcomeOn('service/deletion', { servedAfterDeletionMs: 60_000 })
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(outcome?.reason).toContain('is deleted')
    })

    test('that outsiders answer for after its deletion is gone all the same', async () => {
      for (const end of ['refused', 'bad-answer', 'unreachable'] as const) {
        const { outcome } = await outcomeOn('service/deletion', { ghost: () => end })
        expect(outcome?.outcome).toBe('passed')
      }
    })

    test('that another pod answers for fails the check', async () => {
      const { outcome } = await outcomeOn('service/creation', {
        servicesUnserved: true,
        ghost: () => world.pods[0],
      })
      expect(outcome?.reason).toContain('wrong-peer, expected reached')
    })
  })

  test('an abort ends the run and leaves nothing behind', async () => {
    const abort = new AbortController()
    const network = simulate({ world, life: { leftForMs: 60_000 } })
    const ending = runSteps(one('pod/traces'), { ...network, signal: abort.signal })
    setTimeout(() => abort.abort(new Error('enough')), 300)
    await expect(ending).rejects.toThrow('enough')
    expect(leftOver(network.log.changes)).toEqual([])
  })
})

describe('a check that asks what cannot be', () => {
  const pods = { own: { node: 'worker1', own: true }, client: { node: 'worker1' } } as const
  const about = { id: 'a/b', level: 'extended' as const, covers: ['P5'], requirement: 'It MUST.', pods }
  const flow = { from: ['client'], to: ['own'], protocols: ['tcp'] } as const

  test.each([
    ['own is asked, which does not run', [{ name: 'one', flows: [flow] }]],
    ['own has no former address', [{ name: 'one', start: ['own'], flows: [{ ...flow, via: 'former-ip' }] }]],
    [
      'own is started, which runs already',
      [1, 2].map((n) => ({ name: `${n}`, start: ['own'], flows: [flow] })),
    ],
    ['client is started, which is not its own', [{ name: 'one', start: ['client', 'own'], flows: [flow] }]],
    [
      'own is stopped, which the check has not started',
      [{ name: 'one', stop: ['own'], start: ['own'], flows: [flow] }],
    ],
    [
      'own has no Service of its own',
      [{ name: 'one', start: ['own'], flows: [{ ...flow, via: 'cluster-ip' }] }],
    ],
    ['unknown policy or Service x', [{ name: 'one', start: ['own'], apply: ['x'], flows: [flow] }]],
  ] as const)('%s', (problem, steps) => {
    expect(() => defineCheck({ ...about, steps: steps as never })).toThrow(problem)
  })

  test('a pod of its own in a check without steps', () => {
    const probes = [{ in: 'own', inspect: 'placement' }] as const
    expect(() => defineCheck({ ...about, probes })).toThrow('needs steps that start it')
  })
})
