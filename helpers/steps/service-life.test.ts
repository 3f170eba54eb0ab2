import { describe, expect, test } from 'vitest'
import { serviceLifeChecks } from '../../suites/service-life.checks.ts'
import { defineCheck } from '../check.ts'
import type { PlannedProbe } from '../plan/planned.ts'
import type { LifeFaults } from './life.testdata.ts'
import { bindSteps } from './step-plan.ts'
import { runSteps } from './steps.ts'
import { simulate } from './steps.testdata.ts'
import { healthyWorld } from '../world.testdata.ts'

const world = healthyWorld()

async function outcomeOn(name: string, life: LifeFaults) {
  const network = simulate({ world, life })
  const checks = serviceLifeChecks.filter(({ id }) => id === `life-cycle/service/${name}`)
  const [outcome] = await runSteps(checks, { ...network, settledMs: 300 })
  const off = outcome?.observations.filter(({ verdict, expected }) => verdict !== expected) ?? []
  return { outcome, off, steps: new Set(off.map(({ step }) => step)), log: network.log }
}

describe.concurrent('a Service whose endpoints come and go', () => {
  test('that goes on to lead to one that is being deleted fails the check, however well that serves', async () => {
    for (const name of ['endpoints', 'terminating']) {
      const { outcome, off } = await outcomeOn(name, { proxy: 'keeps-terminating' })
      expect(outcome).toMatchObject({ outcome: 'failed' })
      expect(new Set(off.map(({ verdict }) => verdict))).toEqual(new Set(['wrong-peer']))
      expect(outcome?.reason).toContain('is being deleted')
    }
  })

  test('that does not lead to one of two fails the check, and names it', async () => {
    const { outcome, steps } = await outcomeOn('endpoints', { proxy: 'keeps-first' })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(outcome?.reason).toContain('none answered by cnic-main/service-endpoints-second')
    expect(steps).toContain('after a second one has come')
  })

  test('that does not lead to the only one left, which is being deleted, fails the check', async () => {
    const { outcome, steps } = await outcomeOn('terminating', { proxy: 'drops-terminating' })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(steps).toEqual(new Set(['when no other is left']))
    expect(outcome?.reason).toContain('which is being deleted and the only one left')
  })

  test('measures from each node', async () => {
    const { outcome } = await outcomeOn('endpoints', {})
    const names = outcome?.measurements?.map(({ name }) => name)
    for (const node of ['worker1', 'worker2']) {
      expect(names).toContain(`endpoint Ready to answering, from ${node}`)
      expect(names).toContain(`endpoint deleted to no new connection, from ${node}`)
    }
  })
})

/** Which agent asked from which kept port, each time. */
const sent = (batches: readonly PlannedProbe[][]) =>
  batches.flatMap((batch) =>
    batch.flatMap(({ questions }) =>
      questions.flatMap(({ agent, wire }) =>
        'sourcePort' in wire && wire.sourcePort !== undefined ? [`${agent} ${wire.sourcePort}`] : [],
      ),
    ),
  )

describe.concurrent('a client that keeps its UDP port', () => {
  test('asks from one port in all steps, and never twice at the same time', async () => {
    const { outcome, log } = await outcomeOn('udp-after-zero', {})
    expect(outcome).toMatchObject({ outcome: 'passed' })
    expect(new Set(sent(log.batches)).size).toBe(2)
    for (const batch of log.batches) expect(new Set(sent([batch])).size).toBe(sent([batch]).length)
  })

  test('and is led to the pod that is gone fails the check, while new conversations work', async () => {
    const { outcome, off, steps } = await outcomeOn('udp-after-zero', { conversationsStick: true })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(steps).toEqual(new Set(['after it has one again']))
    expect(new Set(off.map(({ probe }) => probe.includes('from the same port as ever')))).toEqual(
      new Set([true]),
    )
  })

  test('and is answered where there is no endpoint fails the check', async () => {
    const { outcome, steps } = await outcomeOn('udp-after-zero', { ghost: () => world.pods[1] })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(outcome?.reason).toContain('has no endpoint')
    expect(steps).toEqual(new Set(['while it has none']))
  })

  test('may be refused, get no answer or hear of no way where there is no endpoint, and the report says which', async () => {
    for (const end of ['refused', 'timeout', 'unreachable'] as const) {
      const { outcome } = await outcomeOn('udp-after-zero', { ghost: () => end })
      expect(outcome).toMatchObject({ outcome: 'passed' })
      const seen = outcome?.observations.filter(
        ({ step, via }) => step === 'while it has none' && via === 'cluster-ip',
      )
      const verdict = end === 'timeout' ? 'timed-out' : end
      expect(new Set(seen?.map((each) => each.verdict))).toEqual(new Set([verdict]))
    }
    const { outcome } = await outcomeOn('udp-after-zero', { ghost: () => 'bad-answer' })
    expect(outcome).toMatchObject({ outcome: 'failed' })
  })
})

describe.concurrent('a Service that changes its type', () => {
  test.each([
    ['no-node-port', 'as NodePort', 'refused, expected reached'],
    ['keeps-node-port', 'as ClusterIP again', 'has no node port any more'],
  ] as const)('and has %s fails the check', async (proxy, step, reason) => {
    const { outcome, steps } = await outcomeOn('type-change', { proxy })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(steps).toEqual(new Set([step]))
    expect(outcome?.reason).toContain(reason)
  })

  test('and gets another ClusterIP is not answered where clients know it', async () => {
    const { outcome, off } = await outcomeOn('type-change', { addressChanges: true })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(new Set(off.map(({ via }) => via))).toEqual(new Set(['cluster-ip']))
  })
})

describe.concurrent('the record of a Service', () => {
  test('that comes and goes a little late passes, and the time is measured', async () => {
    const { outcome } = await outcomeOn('record', { recordsLagMs: 100 })
    expect(outcome).toMatchObject({ outcome: 'passed' })
    const came = outcome?.measurements?.find(({ name }) => name.startsWith('Service created to its record'))
    expect(came?.ms).toBeGreaterThanOrEqual(90)
  })

  test('that does not come fails the check, although nothing else is wrong', async () => {
    const { outcome, steps } = await outcomeOn('record', { recordsLagMs: 60_000 })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(outcome?.reason).toContain('no-such-name, expected reached')
    expect(steps).toEqual(new Set(['after its creation', 'after its recreation']))
  })

  test('of the address that it had before fails the check', async () => {
    const { outcome } = await outcomeOn('record', { servedAfterDeletionMs: 60_000 })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    const last = outcome?.observations.find(({ step }) => step === 'after its recreation')
    expect(last).toMatchObject({ verdict: 'wrong-answer' })
    expect(last?.detail).toContain('10.96.7.1')
  })

  test('where no DNS server runs is no pass', async () => {
    const network = simulate({ world: { ...world, dns: { ...world.dns, servers: [] } } })
    const [outcome] = await runSteps(
      serviceLifeChecks.filter(({ id }) => id.endsWith('/record')),
      { ...network, settledMs: 300 },
    )
    expect(outcome).toMatchObject({ outcome: 'not-run' })
    expect(outcome?.reason).toContain('no CoreDNS pod is running')
  })
})

describe.concurrent('a Service with session affinity', () => {
  test('that lets go of silent clients passes', async () => {
    const { outcome } = await outcomeOn('affinity-time-out', {})
    expect(outcome).toMatchObject({ outcome: 'passed' })
  })

  test('that does not let go of them fails the check, which says how rarely that is chance', async () => {
    const { outcome } = await outcomeOn('affinity-time-out', { affinity: 'for-ever' })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(outcome?.reason).toContain('all 12 clients and ports')
    expect(outcome?.reason).toContain(`once in ${4 ** 12} runs`)
  })

  test('that keeps nobody fails the check', async () => {
    const { outcome, steps } = await outcomeOn('affinity-time-out', { affinity: 'none' })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(steps).toContain('while they ask')
    expect(outcome?.reason).toContain('connections of one client were answered by')
  })

  test('of which too few clients were answered by one is not judged', async () => {
    const { outcome } = await outcomeOn('affinity-time-out', { servicesUnserved: true })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    const said = outcome?.observations.find(({ probe }) => probe.includes('after a silence'))
    expect(said).toMatchObject({ verdict: 'unknown' })
  })
})

// Not beside the others: some of these measure times, and this asks much.
describe('a client of two endpoints that keeps its port and holds a socket', () => {
  test('asks from a port for each, and any of the endpoints may answer', async () => {
    const { outcome, log } = await outcomeOn('scaled-to-zero', {})
    expect(outcome).toMatchObject({ outcome: 'passed' })
    expect(new Set(sent(log.batches)).size).toBe(4)
    for (const batch of log.batches) expect(new Set(sent([batch])).size).toBe(sent([batch]).length)
  })

  test('and is led to pods that are gone fails the check, while new conversations work', async () => {
    const stuck = await outcomeOn('scaled-to-zero', { conversationsStick: true })
    expect(stuck.outcome).toMatchObject({ outcome: 'failed' })
    expect(stuck.steps).toEqual(new Set(['with two again']))
    expect(new Set(stuck.off.map(({ probe }) => probe.replace(/.* over udp /, '')))).toEqual(
      new Set(['from the same port as ever', 'over the socket that it holds']),
    )
  })
})

test('several pods behind a Service are selected by a label of their own, one by its name', () => {
  const of = (name: string) => {
    const [check] = serviceLifeChecks.filter(({ id }) => id.endsWith(`/${name}`))
    if (check === undefined) throw new Error(`no check ${name}`)
    const { services, pods } = bindSteps(check, world)
    return { selector: services.get('front')?.object.spec?.selector ?? {}, pods }
  }
  const several = of('endpoints')
  const chosen = [...several.pods]
    .filter(([, { labels }]) =>
      Object.entries(several.selector).every(([key, value]) => labels[key] === value),
    )
    .map(([role]) => role)
  expect(chosen).toEqual(['first', 'second'])
  expect(Object.keys(several.selector).join().split('/')[1]?.length).toBeLessThanOrEqual(63)
  expect(of('type-change').selector).toEqual({ 'cni-conformance/pod': 'worker1-b' })
})

describe('a check of Services that asks what cannot be', () => {
  const pods = {
    own: { node: 'worker1', own: true },
    client: { node: 'worker1' },
    other: { node: 'worker1' },
  } as const
  const about = { id: 'a/b', level: 'extended' as const, covers: ['P5'], requirement: 'It MUST.', pods }
  const front = { from: ['client'], to: ['front'], via: 'cluster-ip', protocols: ['tcp'] } as const
  const one = { front: { selects: 'other' } } as const

  test.each([
    ['front is asked, which has not been created', one, [{ name: 'one', flows: [front] }]],
    [
      'front is given a type, which does not exist',
      one,
      [{ name: 'one', types: { front: 'NodePort' }, flows: [{ ...front, to: ['other'], via: 'pod-ip' }] }],
    ],
    [
      'front is asked at node ports, which it has never had',
      one,
      [{ name: 'one', apply: ['front'], flows: [{ ...front, via: 'node-port' }] }],
    ],
    [
      'front is created, which exists already',
      one,
      ['one', 'two'].map((name) => ({ name, apply: ['front'], flows: [front] })),
    ],
    [
      'front is deleted, which does not exist',
      one,
      [{ name: 'one', delete: ['front'], flows: [{ ...front, via: 'record' }] }],
    ],
    [
      'a source port is kept over udp',
      one,
      [{ name: 'one', apply: ['front'], flows: [{ ...front, keeps: 'source-port' }] }],
    ],
    [
      'other is asked via node-port, which only a Service',
      one,
      [{ name: 'one', flows: [{ ...front, to: ['other'], via: 'node-port' }] }],
    ],
    [
      'a record is asked for over udp or tcp',
      one,
      [{ name: 'one', flows: [{ ...front, via: 'record', protocols: ['http'] }] }],
    ],
    [
      'own is terminated, which does not run and linger',
      one,
      [{ name: 'one', start: ['own'], terminate: ['own'], apply: ['front'], flows: [front] }],
    ],
    [
      'front selects other with others, which is not its own',
      { front: { selects: ['own', 'other'] } },
      [{ name: 'one', start: ['own'], apply: ['front'], flows: [front] }],
    ],
  ] as const)('%s', (problem, services, steps) => {
    expect(() => defineCheck({ ...about, services, steps })).toThrow(problem)
  })
})
