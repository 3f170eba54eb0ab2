import { assert, integer, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checks as catalogue } from '../suites/catalogue.ts'
import type { Identity, WireEnd, WireProbe, WireResult } from './agent/protocol.ts'
import { makePlan } from './plan/plan.ts'
import type { PlannedProbe } from './plan/planned.ts'
import { outcomeOf, withNeeds, type Declared } from './outcome.ts'
import { observe, type Replies } from './verdict.ts'
import { healthyWorld, isAnswered } from './world.testdata.ts'
import type { WorldPod } from './world.ts'

const world = healthyWorld()
const checks = catalogue.filter(isAnswered)
const declares: Declared = {
  features: ['host-network', 'host-port', 'outside', 'own-cluster', 'icmp'],
  expect: [],
  matches: (glob, id) => glob === id,
}

/** As the kubelet writes it for each dnsPolicy. */
function resolvConfText({ dns, namespace }: WorldPod): string {
  const { main } = world.namespaces
  const own = world.namespaces[namespace]
  if (dns === 'Default') return 'nameserver 192.0.2.53\nsearch example.org\n'
  const server = `nameserver ${world.dns.serviceIp}\n`
  if (dns === 'None') return `${server}search ${main}.svc.cluster.local\noptions ndots:2\n`
  return `${server}search ${own}.svc.cluster.local svc.cluster.local cluster.local example.org\noptions ndots:5\n`
}

/** What a healthy agent would say to a wire probe of this plan. */
function healthyResult(planned: PlannedProbe, wire: WireProbe, turn: number): WireResult {
  const base = { id: wire.id, end: 'answered' as WireEnd, attempts: 1, ms: 1 }
  const { probe, mayAnswer } = planned
  if (probe.expect === 'timed-out') return { ...base, end: 'timeout' }
  const stays = 'service' in probe && probe.answeredBy === 'one-endpoint'
  const peer = mayAnswer[stays ? 0 : turn % Math.max(1, mayAnswer.length)]
  const facts = {
    podUid: planned.from.uid,
    pod: planned.from.fullName,
    node: planned.from.pinnedTo,
    netns: 'net:[1]',
    addresses: [planned.from.ip],
    resolvConf: planned.inside === undefined ? '' : resolvConfText(planned.inside),
    tools: { netns: 'net:[1]', addresses: [planned.from.ip] },
  }
  switch (wire.kind) {
    case 'datagram':
      return { ...base, end: 'sent' }
    case 'receipts':
      return { ...base, received: wire.nonces }
    case 'dns':
      if (probe.expect === 'no-such-name') return { ...base, rcode: 'NXDOMAIN' }
      if (planned.record?.large === true && wire.transport === 'udp')
        return { ...base, rcode: 'NOERROR', answers: [], truncated: true }
      return { ...base, rcode: 'NOERROR', answers: planned.record?.answers ?? [] }
    case 'lookup':
      return { ...base, answers: planned.record?.answers ?? [] }
    case 'ping':
      return { ...base, replies: [{ from: wire.host, seq: 1, ttl: 62, ms: 0.2 }] }
    case 'path-mtu':
      return { ...base, path: { interfaceMtu: 1_500, mtu: 1_450 } }
    case 'over-mtu': {
      const oversize = { bytes: 1_451, refused: true }
      return { ...base, path: { interfaceMtu: 1_500, mtu: 1_450, oversize } }
    }
    case 'bind':
      return wire.port === 0 ? base : { ...base, end: 'in-use' }
    case 'facts':
      return { ...base, facts }
    case 'connect':
      return { ...base, ...(planned.health === undefined ? {} : { status: planned.health.status }) }
    case 'tools-http':
    case 'tools-udp':
    case 'tls':
      return base
    default: {
      const identity: Identity = {
        nonce: wire.nonce,
        podUid: peer?.uid ?? '',
        pod: peer?.fullName ?? '',
        node: peer?.pinnedTo ?? '',
        saw: planned.from.ip,
      }
      return { ...base, identity }
    }
  }
}

type Change = (planned: PlannedProbe, result: WireResult) => WireResult | undefined

function outcomesAfter(change: Change, faults: ReadonlyMap<string, string> = new Map()) {
  const plan = makePlan(checks, world)
  const results = new Map<string, WireResult>()
  for (const planned of plan.probes) {
    const asked = planned.receipt === undefined ? planned.questions : [...planned.questions, planned.receipt]
    for (const [turn, { agent, wire }] of asked.entries()) {
      const result = change(planned, healthyResult(planned, wire, turn))
      if (result !== undefined) results.set(`${agent}/${wire.id}`, result)
    }
  }
  const replies: Replies = {
    result: (agent, id) => results.get(`${agent}/${id}`),
    fault: (agent) => faults.get(agent),
  }
  return checks.map((check) =>
    outcomeOf(
      check,
      plan.probes.filter((probe) => probe.check === check).map((probe) => observe(probe, replies, world)),
      1,
      withNeeds(declares, ['pod-cidr']),
    ),
  )
}

const networkEnds: readonly WireEnd[] = [
  'timeout',
  'refused',
  'unreachable',
  'no-such-name',
  'bad-answer',
  'untrusted',
]

describe('verdicts', () => {
  test('a healthy world passes every check', () => {
    expect(outcomesAfter((_planned, result) => result).filter(({ outcome }) => outcome !== 'passed')).toEqual(
      [],
    )
  })

  test('without any reply nothing passes and nothing fails', () => {
    const outcomes = outcomesAfter(() => undefined)
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['not-run']))
  })

  test.each(networkEnds)('no answer (%s) never passes; with all agents alive it is a failure', (end) => {
    const outcomes = outcomesAfter((planned, { id, ms }) => {
      // Who wants no such name got it.
      const other = end === planned.probe.expect ? 'timeout' : end
      return { id, end: other, ms, attempts: 1 }
    })
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['failed']))
  })

  test('a local error says nothing about the network', () => {
    const outcomes = outcomesAfter((_planned, { id, ms }) => ({ id, end: 'local-error', ms, attempts: 1 }))
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['not-run']))
  })

  test('who could not run, and nobody else, may be asked again: it is known by that', () => {
    const crowd = 'pod-to-pod/cross-node/many-connections'
    const starvedBy = (share: number) =>
      outcomesAfter((planned, { id, ms, ...result }) =>
        planned.check.id !== crowd || id % 4 >= 3
          ? { id, ms, ...result }
          : { id, ms, end: id % 4 < share ? 'starved' : 'local-error', attempts: 1 },
      )
        .flatMap(({ check, observations }) => (check === crowd ? observations : []))
        .map(({ verdict, starved }) => [verdict, starved])
    expect(starvedBy(3)).toEqual([['unknown', true]])
    expect(starvedBy(2)).toEqual([['unknown', undefined]])
  })

  test('what was never sent says nothing by not arriving', () => {
    const oneWay = outcomesAfter(({ receipt }, { id, ms, ...result }) => {
      if (receipt === undefined) return { id, ms, ...result }
      return receipt.wire.id === id
        ? { id, ms, ...result, received: [] }
        : { id, end: 'local-error', detail: 'no tools', ms, attempts: 1 }
    }).filter(({ outcome }) => outcome !== 'passed')
    expect(oneWay.map(({ check }) => check)).toContain('pod-to-pod/cross-node/path-mtu')
    expect(new Set(oneWay.map(({ outcome }) => outcome))).toEqual(new Set(['not-run']))
  })

  test('silence of a peer that died is unknown, never blocked', () => {
    const victim = 'worker2-a'
    const outcomes = outcomesAfter(
      (planned, result) =>
        planned.rests.some(({ name }) => name === victim) ? { ...result, end: 'timeout' } : result,
      new Map([[victim, 'the stream ended']]),
    )
    const verdicts = outcomes.flatMap(({ observations }) => observations.map(({ verdict }) => verdict))
    expect(new Set(verdicts)).toEqual(new Set(['reached', 'no-such-name', 'refused', 'unknown']))
    expect(outcomes.every(({ outcome }) => outcome === 'passed' || outcome === 'not-run')).toBe(true)
  })

  test('an endpoint that died is not missed by the Service', () => {
    const victim = 'worker2-a'
    const outcomes = outcomesAfter(
      (planned, result) => {
        const other = planned.mayAnswer.find(({ name }) => name !== victim)
        return result.identity === undefined || !('service' in planned.probe) || other === undefined
          ? result
          : { ...result, identity: { ...result.identity, podUid: other.uid } }
      },
      new Map([[victim, 'the stream ended']]),
    )
    const services = outcomes.filter(({ check }) => check.startsWith('service/cluster-ip/'))
    expect(new Set(services.map(({ outcome }) => outcome))).toEqual(new Set(['not-run']))
  })

  test('dropping any rows makes not-run at most; changing none of the others', () => {
    assert(
      property(integer({ min: 1, max: 7 }), integer({ min: 0, max: 6 }), (modulus, rest) => {
        const outcomes = outcomesAfter((_planned, result) =>
          result.id % modulus === rest % modulus ? undefined : result,
        )
        expect(outcomes.some(({ outcome }) => outcome === 'failed')).toBe(false)
      }),
      { numRuns: 20 },
    )
  })

  test('the answer of another pod is wrong-peer', () => {
    const stranger = world.pods.at(-1)
    const outcomes = outcomesAfter((_planned, result) =>
      result.identity === undefined
        ? result
        : { ...result, identity: { ...result.identity, podUid: stranger?.uid ?? '' } },
    )
    const failed = outcomes.filter(({ outcome }) => outcome === 'failed')
    expect(
      failed
        .flatMap(({ observations }) => observations)
        .every(({ verdict, expected }) => verdict === (expected === 'timed-out' ? expected : 'wrong-peer')),
    ).toBe(true)
    expect(failed.length).toBeGreaterThan(10)
  })

  test('a translated source address fails the source-address checks and no other', () => {
    const outcomes = outcomesAfter((_planned, result) =>
      result.identity === undefined
        ? result
        : { ...result, identity: { ...result.identity, saw: '172.18.0.30' } },
    )
    expect(outcomes.filter(({ outcome }) => outcome === 'failed').map(({ check }) => check)).toEqual([
      'pod-to-pod/same-node/source-address',
      'pod-to-pod/cross-node/source-address',
      'node/from-pod/own-node/source-address',
      'egress/outside/source-address',
      'service/external-traffic-policy/local/tcp',
      'service/external-traffic-policy/local/udp',
      'service/external-traffic-policy/local/http',
    ])
  })

  test('on the way out the address of the node is right too, and that of another node is not', () => {
    const seenAs = (address: (node: string) => string | undefined) =>
      outcomesAfter((planned, result) =>
        result.identity === undefined || !('outside' in planned.probe)
          ? result
          : { ...result, identity: { ...result.identity, saw: address(planned.from.pinnedTo) ?? '' } },
      ).flatMap(({ check, outcome }) => (outcome === 'failed' ? [check] : []))
    const of = (wanted: string) => world.nodes.find(({ name }) => name === wanted)?.address
    expect(seenAs(of)).toEqual([])
    expect(seenAs((node) => of(node === 'worker' ? 'worker2' : 'worker'))).toEqual([
      'egress/outside/source-address',
    ])
  })

  test('who has no certificate of the API server is somebody else', () => {
    const outcomes = outcomesAfter((planned, result) =>
      'apiServer' in planned.probe ? { ...result, end: 'untrusted', detail: 'EXPIRED' } : result,
    )
    const failed = outcomes.filter(({ outcome }) => outcome === 'failed')
    expect(failed.map(({ check }) => check)).toEqual([
      'egress/api-server/cluster-ip',
      'egress/api-server/name',
    ])
    expect(failed[1]?.reason).toContain('not kubernetes.default.svc:443, by the certificate (EXPIRED)')
    expect(
      failed.flatMap(({ observations }) => observations).every(({ verdict }) => verdict === 'wrong-peer'),
    ).toBe(true)
  })

  test('one refused connection of a crowd is seen', () => {
    const crowd = 'pod-to-pod/cross-node/many-connections'
    let first = true
    const outcomes = outcomesAfter((planned, result) => {
      if (planned.check.id !== crowd || !first) return result
      first = false
      return { id: result.id, ms: 1, attempts: 1, end: 'refused' }
    })
    expect(outcomes.filter(({ outcome }) => outcome === 'failed')).toMatchObject([
      { check: crowd, reason: expect.stringContaining('1 of 2000: refused') as string },
    ])
  })

  test('an endpoint that never answers is named', () => {
    const outcomes = outcomesAfter((planned, result) => {
      const first = planned.mayAnswer[0]
      return result.identity === undefined || !('service' in planned.probe) || first === undefined
        ? result
        : { ...result, identity: { ...result.identity, podUid: first.uid } }
    })
    const failed = outcomes.filter(({ outcome }) => outcome === 'failed')
    expect(failed.map(({ check }) => check)).toEqual([
      'service/cluster-ip/tcp',
      'service/cluster-ip/udp',
      'service/cluster-ip/http',
      'service/headless',
      'service/internal-traffic-policy',
      'service/spread',
      'service/cluster-ip/from-node/tcp',
      'service/cluster-ip/from-node/udp',
      'service/cluster-ip/from-node/http',
      'service/external-traffic-policy/local/tcp',
      'service/external-traffic-policy/local/udp',
      'service/external-traffic-policy/local/http',
    ])
    expect(failed[0]?.reason).toContain('none answered by')
  })

  test('a DNS answer that is not the API object is wrong, more or less of it too', () => {
    for (const answers of [[], ['10.0.0.1'], undefined]) {
      const outcomes = outcomesAfter((planned, result) => {
        if (result.rcode === undefined) return result
        return { ...result, answers: answers ?? [...(planned.record?.answers ?? []), '10.9.9.9'] }
      })
      const failed = outcomes.filter(({ outcome }) => outcome === 'failed').map(({ check }) => check)
      // No AAAA record is as it must be; what comes truncated is not read; who is denied has no records.
      const right = answers?.length === 0 ? '|ipv6' : ''
      const wrong = new RegExp(
        `^(coverage/every-node/dns|dns/(latency$|(service-ip|each-server)/(?!large-udp|nobody${right})))`,
      )
      expect(failed).toEqual(checks.filter(({ id }) => wrong.test(id)).map(({ id }) => id))
    }
  })
})
