import { describe, expect, test } from 'vitest'
import { checks } from '../suites/catalogue.ts'
import type { Identity, WireResult } from './agent/protocol.ts'
import type { Observation } from './observation.ts'
import { makePlan } from './plan/plan.ts'
import type { PlannedProbe } from './plan/planned.ts'
import { mostTelling, observe } from './verdict.ts'
import { healthyWorld, isAnswered } from './world.testdata.ts'
import type { Party } from './world.ts'

/** What verdict.ts makes of all that was asked for one probe, to the letter: what a person reads at three in the morning. */

const world = healthyWorld()
const plan = makePlan(checks.filter(isAnswered), world)
const [here, there] = ['worker1-a', 'worker2-a'].map((name) => world.pods.find((pod) => pod.name === name))
if (here === undefined || there === undefined) throw new Error('no pods')

/** The first probe of a check. */
function probeOf(id: string): PlannedProbe {
  const planned = plan.probes.find(({ check }) => check.id === id)
  if (planned === undefined) throw new Error(`nothing is asked for ${id}`)
  return planned
}

type Said = Partial<WireResult> | undefined

/** What is observed where the questions, by their number, end like this; undefined: the row is missing. */
const seen = (
  planned: PlannedProbe,
  said: (turn: number, isReceipt: boolean) => Said,
  faults: Readonly<Record<string, string>> = {},
): Observation =>
  observe(
    planned,
    {
      result: (agent, id) => {
        const asked = [...planned.questions, ...(planned.receipt === undefined ? [] : [planned.receipt])]
        const turn = asked.findIndex((each) => each.agent === agent && each.wire.id === id)
        const result = said(turn, turn === planned.questions.length)
        return result === undefined ? undefined : { id, end: 'answered', attempts: 1, ms: 1, ...result }
      },
      fault: (agent) => faults[agent],
    },
    world,
  )

const by = ({ uid, fullName, pinnedTo }: Party, saw: string): { identity: Identity } => ({
  identity: { nonce: '', podUid: uid, pod: fullName, node: pinnedTo, saw },
})

describe('a probe is told by who asks whom for what', () => {
  const ends = { from: { name: 'cnic-main/worker1-a', node: 'worker', address: '10.244.1.10' } }
  test.each<[string, Partial<Observation>]>([
    [
      'pod-to-pod/cross-node/tcp',
      {
        probe: 'worker1-a -> cnic-main/worker2-a via pod-ip over tcp',
        ...ends,
        to: { name: 'cnic-main/worker2-a', node: 'worker2', address: '10.244.2.12:8081' },
        via: 'pod-ip',
        protocol: 'tcp',
      },
    ],
    [
      'loopback/shared-namespace',
      { probe: 'shared-network-namespace in worker1-a', ...ends, via: 'inside', protocol: 'none' },
    ],
    [
      'egress/api-server/cluster-ip',
      {
        probe: 'worker1-a -> default/kubernetes via cluster-ip over tls',
        via: 'cluster-ip',
        protocol: 'tls',
      },
    ],
    [
      'egress/outside/tcp',
      { probe: 'worker1-a -> cnic-outside via outside over tcp', via: 'outside', protocol: 'tcp' },
    ],
    [
      'service/external-traffic-policy/no-endpoint/tcp',
      {
        probe: 'outside -> cnic-main/echo-external-local via node-port over tcp',
        from: { name: 'cnic-outside', address: '172.18.0.9' },
        via: 'node-port',
        protocol: 'tcp',
      },
    ],
    [
      'service/health-check-node-port/from-pod',
      {
        probe: 'worker1-a -> cnic-main/echo-load-balanced via health-check-node-port over http',
        via: 'health-check-node-port',
        protocol: 'http',
      },
    ],
    [
      'dns/search-path',
      { probe: 'worker1-a asks echo for A of echo over dns', via: 'resolv-conf', protocol: 'dns' },
    ],
    [
      'dns/service-ip/service-udp',
      {
        probe: 'worker1-a asks kube-system/kube-dns for A of echo.cnic-main.svc.cluster.local over udp',
        via: 'service-ip',
        protocol: 'udp',
      },
    ],
  ])('%s', (id, told) => {
    expect(seen(probeOf(id), () => undefined)).toMatchObject({ verdict: 'unknown', ...told })
  })

  test('a target by its address, and a client that keeps its port or its socket', () => {
    const planned = probeOf('pod-to-pod/cross-node/tcp')
    const told = (probe: object): Pick<Observation, 'probe' | 'via' | 'protocol'> =>
      seen({ ...planned, probe: { ...planned.probe, ...probe } }, () => undefined)
    expect(told({ keeps: 'source-port' }).probe).toMatch(/ over tcp from the same port as ever$/)
    expect(told({ keeps: 'socket' }).probe).toMatch(/ over tcp over the socket that it holds$/)
    const asking = (target: NonNullable<PlannedProbe['target']>): Observation =>
      seen({ ...planned, target, probe: { from: 'here', target: 'db', expect: 'reached' } }, () => undefined)
    const port = { port: 5432, protocol: 'udp' } as const
    const name = 'worker1-a -> cnic-main/worker2-a'
    expect(asking({ service: 'db', namespace: 'prod', ...port })).toMatchObject({
      probe: name,
      via: 'fqdn',
      protocol: 'udp',
    })
    expect(asking({ host: 'db.example', ...port })).toMatchObject({ probe: name, via: 'host' })
  })
})

describe('all answers together', () => {
  const service = probeOf('service/cluster-ip/tcp')
  const backends = service.mayAnswer
  const saw = here.ip

  test('are counted, by who gave them and what these saw', () => {
    const observation = seen(service, (turn) => {
      const backend = backends.toReversed()[turn % backends.length] ?? here
      return { ...by(backend, turn < 4 ? '192.0.2.1' : saw), attempts: 2, ms: turn }
    })
    expect(observation).toMatchObject({
      verdict: 'reached',
      asked: 64,
      answered: 64,
      attempts: 128,
      latencyMs: 31.5,
    })
    expect(observation).not.toHaveProperty('starved')
    expect(observation).not.toHaveProperty('detail')
    expect(observation.peers).toEqual(
      ['worker1-a', 'worker1-b', 'worker2-a', 'worker2-b'].map((name) => ({
        pod: `cnic-main/${name}`,
        node: name.startsWith('worker1') ? 'worker' : 'worker2',
        answers: 16,
        saw: ['192.0.2.1', saw],
      })),
    )
  })

  test('but for those that did not come: one is told of many, without a time where none came', () => {
    const oneLost = seen(service, (turn) =>
      turn === 0 ? { end: 'timeout', phase: 'connect', ms: 3_000 } : by(backends[turn % 4] ?? here, saw),
    )
    expect(oneLost).toMatchObject({
      verdict: 'timed-out',
      expected: 'reached',
      asked: 64,
      answered: 63,
      attempts: 64,
      latencyMs: 1,
      detail: '1 of 64: no answer in 3000 ms at connect',
    })
    const noneCame = seen(service, (turn) => (turn === 0 ? undefined : { end: 'refused' }))
    expect(noneCame).not.toHaveProperty('latencyMs')
    expect(noneCame).toMatchObject({
      verdict: 'refused',
      answered: 0,
      attempts: 63,
      peers: [],
      detail: '63 of 64: refused',
    })
  })

  test('that name nobody are nobody of the peers', () => {
    expect(seen(service, () => ({})).peers).toEqual([])
  })

  test('are not lost where a row is missing: that is unknown, with the reason', () => {
    const tcp = probeOf('pod-to-pod/cross-node/tcp')
    expect(seen(tcp, () => undefined).detail).toBe('the agent sent no result')
    expect(seen(tcp, () => undefined, { [here.name]: 'the stream ended' }).detail).toBe('the stream ended')
  })
})

describe('a pod that may have died', () => {
  const tcp = probeOf('pod-to-pod/cross-node/tcp')

  test('is not held against the network', () => {
    expect(seen(tcp, () => ({ end: 'refused' }), { [there.name]: 'no heartbeat' })).toMatchObject({
      verdict: 'unknown',
      detail: 'refused, but cnic-main/worker2-a was not alive throughout: no heartbeat',
    })
  })

  test('does not unmake an answer, nor another unknown', () => {
    const faults = { [there.name]: 'no heartbeat' }
    expect(seen(tcp, () => by(there, here.ip), faults).verdict).toBe('reached')
    expect(seen(tcp, () => ({ end: 'local-error', detail: 'EMFILE' }), faults).detail).toBe(
      'the agent could not ask (EMFILE)',
    )
  })
})

describe('datagrams one way', () => {
  const oneWay = probeOf('pod-to-pod/cross-node/path-mtu')
  const { receipt } = oneWay
  if (receipt === undefined) throw new Error('no receipt')
  const path = { interfaceMtu: 1_500, mtu: 1_450 }
  const [nonce = ''] = receipt.wire.nonces

  test('are counted by their receiver, and have no time', () => {
    const observation = seen(oneWay, (_turn, isReceipt) =>
      isReceipt ? { received: [nonce] } : { path, ms: 500 },
    )
    expect(observation).toMatchObject({ asked: receipt.wire.nonces.length, answered: 1, verdict: 'reached' })
    expect(observation).not.toHaveProperty('latencyMs')
  })

  test.each<[WireResult['end'], WireResult['end'], string]>([
    ['local-error', 'local-error', 'unknown: the agent could not ask (no tools)'],
    ['starved', 'starved', 'unknown: no answer, but the agent got no processor time for 0 ms'],
    ['local-error', 'sent', 'timed-out: none of'],
    ['sent', 'local-error', 'timed-out: none of'],
  ])('that did not arrive and ended in %s and %s are %s', (first, others, told) => {
    const { verdict, detail } = seen(probeOf('pod-to-pod/cross-node/delivery-there'), (turn, isReceipt) =>
      isReceipt ? { received: [] } : { end: turn === 0 ? first : others, detail: 'no tools' },
    )
    expect(`${verdict}: ${detail}`).toContain(told)
  })
})

describe('nobody to ask', () => {
  const planned = { ...probeOf('pod-to-pod/cross-node/tcp'), questions: [] }
  const asked = (expected: 'reached' | 'unreachable', nobody?: string): Observation =>
    seen(
      {
        ...planned,
        probe: { ...planned.probe, expect: expected } as PlannedProbe['probe'],
        ...(nobody === undefined ? {} : { nobody }),
      },
      () => undefined,
    )

  test('is unreachable, and unknown to who expects just that', () => {
    expect(asked('reached')).toMatchObject({ verdict: 'unreachable', detail: 'nobody to ask', asked: 0 })
    expect(asked('reached', 'it has no address').detail).toBe('it has no address')
    expect(asked('unreachable')).toMatchObject({ verdict: 'unknown', detail: 'nobody to ask' })
  })
})

test('which verdict speaks for many: evidence before ignorance, the strongest first', () => {
  const order = [
    'wrong-peer',
    'wrong-answer',
    'refused',
    'unreachable',
    'timed-out',
    'no-such-name',
    'reached',
    'unknown',
  ] as const
  for (const [at] of order.entries()) expect(mostTelling(order.slice(at).toReversed())).toBe(order[at])
  expect(mostTelling([])).toBe('unknown')
})

describe('a refusal that is as right as silence', () => {
  const planned = probeOf('service/external-traffic-policy/no-endpoint/tcp')
  const ended = (mayRefuse: boolean, ...ends: WireResult['end'][]) => {
    const asking = { ...planned, probe: { ...planned.probe, mayRefuse } as PlannedProbe['probe'] }
    // Whatever else is asked, the port beside it, is answered.
    const { verdict, expected, detail } = seen(asking, (turn) => ({
      end: turn < 0 ? 'answered' : (ends[turn % ends.length] ?? 'timeout'),
    }))
    return [verdict, expected, detail]
  }

  test('is told as what was expected, where the check says so', () => {
    expect(ended(true, 'refused')).toEqual(['refused', 'refused', 'refused'])
    expect(ended(true, 'timeout', 'refused', 'timeout')).toEqual(['refused', 'refused', 'refused'])
    expect(ended(false, 'refused')).toEqual(['refused', 'timed-out', '3 of 3: refused'])
  })

  test('makes nothing else right', () => {
    expect(ended(true, 'refused', 'bad-answer', 'timeout')).toEqual([
      'wrong-answer',
      'timed-out',
      "1 of 3: an answer that is not the agent's",
    ])
    expect(ended(true, 'unreachable')).toEqual(['unreachable', 'timed-out', '3 of 3: unreachable'])
  })
})

test('who asks from outside has no node', () => {
  const { from } = seen(probeOf('service/external-traffic-policy/no-endpoint/tcp'), () => undefined)
  expect(from).toEqual({ name: 'cnic-outside', address: '172.18.0.9' })
})
