import { describe, expect, test } from 'vitest'
import { defineCheck, type Check } from './check.ts'
import type { WireProbe, WireResult } from './agent/protocol.ts'
import type { Observation } from './observation.ts'
import { judgeLatency, judgeLookup } from './path-verdict.ts'
import { makePlan } from './plan/plan.ts'
import type { PlannedProbe } from './plan/planned.ts'
import { observe } from './verdict.ts'
import { isStarved } from './starved-verdict.ts'
import { healthyWorld } from './world.testdata.ts'

const world = healthyWorld()
const base = { level: 'extended', covers: ['P3'], requirement: 'It MUST work.', features: ['icmp'] } as const
const pods = { here: { node: 'worker1' }, there: { node: 'worker2' } } as const

/** What is observed of the first probe of a check, where every question has the answer that is given for it. */
function seen(
  check: Check,
  answer: (wire: WireProbe, index: number) => Partial<WireResult> | undefined,
): Observation {
  const [planned] = makePlan([check], world).probes as [PlannedProbe]
  const asked = [...planned.questions, ...(planned.receipt === undefined ? [] : [planned.receipt])]
  const results = new Map<string, WireResult>()
  for (const [index, { agent, wire }] of asked.entries()) {
    const said = answer(wire, index)
    if (said !== undefined)
      results.set(`${agent}/${wire.id}`, { id: wire.id, end: 'answered', attempts: 1, ms: 1, ...said })
  }
  return observe(
    planned,
    { result: (agent, id) => results.get(`${agent}/${id}`), fault: () => undefined },
    world,
  )
}

describe('echo requests', () => {
  const check = defineCheck({
    ...base,
    features: [...base.features],
    covers: [...base.covers],
    id: 'test/ping',
    pods,
    probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol: 'icmp' }],
  })
  const reply = (from: string) => ({ replies: [{ from, seq: 1, ttl: 62, ms: 0.2 }] })
  const asked = world.pods.find(({ name }) => name === 'worker2-a')?.ip ?? ''

  test('a reply from the address that was asked', () => {
    expect(seen(check, () => reply(asked)).verdict).toBe('reached')
  })

  test('a reply from another address is one from somebody else', () => {
    expect(seen(check, () => reply('10.244.9.9'))).toMatchObject({
      verdict: 'wrong-peer',
      detail: `${asked} was asked, 10.244.9.9 replied`,
    })
  })

  test('no reply, and no word of it, is no evidence', () => {
    expect(seen(check, () => ({}))).toMatchObject({
      verdict: 'unknown',
      detail: 'an answer without a reply',
    })
    expect(seen(check, () => undefined).verdict).toBe('unknown')
    expect(seen(check, () => ({ end: 'local-error' })).verdict).toBe('unknown')
  })

  test('silence after requests that were sent is silence', () => {
    expect(seen(check, () => ({ end: 'timeout', detail: '3 echo requests were sent' })).verdict).toBe(
      'timed-out',
    )
  })
})

describe('the path of long packets', () => {
  const check = defineCheck({
    ...base,
    features: [],
    covers: [...base.covers],
    id: 'test/path',
    pods,
    probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol: 'datagram', size: 'path-mtu' }],
  })
  const path = { interfaceMtu: 1_500, mtu: 1_450 }
  const received = (wire: WireProbe): string[] => (wire.kind === 'receipts' ? wire.nonces : [])

  test('all arrive and nobody asks for shorter ones; how long they were is told', () => {
    const observation = seen(check, (wire) =>
      wire.kind === 'receipts' ? { received: received(wire) } : { path },
    )
    expect(observation).not.toHaveProperty('latencyMs')
    expect(observation).toMatchObject({
      verdict: 'reached',
      asked: 3,
      answered: 3,
      detail: 'packets of 1450 bytes were sent, the interface has an MTU of 1500',
    })
  })

  test('one arrives of three: one may be lost', () => {
    expect(
      seen(check, (wire) => (wire.kind === 'receipts' ? { received: received(wire).slice(0, 1) } : { path }))
        .verdict,
    ).toBe('reached')
  })

  test('none arrives', () => {
    expect(seen(check, (wire) => (wire.kind === 'receipts' ? { received: [] } : { path }))).toMatchObject({
      verdict: 'timed-out',
      detail: expect.stringContaining("as long as the sender's kernel takes the path to be"),
    })
  })

  test('a router asks for shorter ones, although all arrive', () => {
    expect(
      seen(check, (wire) =>
        wire.kind === 'receipts' ? { received: received(wire) } : { path: { ...path, told: 1_300 } },
      ),
    ).toMatchObject({ verdict: 'wrong-answer', detail: expect.stringContaining('takes 1300 bytes at most') })
  })

  test('all arrive, but nothing is known of the path', () => {
    expect(
      seen(check, (wire) =>
        wire.kind === 'receipts' ? { received: received(wire) } : { end: 'local-error' },
      ).verdict,
    ).toBe('unknown')
    expect(
      seen(check, (wire) => (wire.kind === 'receipts' ? { received: received(wire) } : {})),
    ).toMatchObject({ verdict: 'unknown', detail: '1 of 2: the agent did not say how long the packets were' })
  })
})

test.each([
  ['small', ''],
  ['mtu', " as long as the MTU of the sender's interface"],
  ['path-mtu', " as long as the sender's kernel takes the path to be"],
  ['twice-mtu', " twice as long as the MTU of the sender's interface, sent in pieces,"],
] as const)('datagrams of the length %s that nobody got are told by it', (size, length) => {
  const check = defineCheck({
    ...base,
    features: [],
    covers: [...base.covers],
    id: 'test/lengths',
    pods,
    probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol: 'datagram', size }],
  })
  const { detail } = seen(check, (wire) =>
    wire.kind === 'receipts' ? { received: [] } : { path: { interfaceMtu: 1_500, mtu: 1_450 } },
  )
  expect(detail).toMatch(new RegExp(`none of \\d+ datagrams${length} arrived, says the receiver$`))
})

describe('a packet that is too long', () => {
  const ways = { from: 'here', to: 'there', via: 'pod-ip', protocol: 'datagram' } as const
  const oversize = { ...ways, size: 'over-mtu', expect: 'refused' } as const
  const about = { ...base, features: [], covers: [...base.covers], id: 'test/oversize', pods }
  const check = defineCheck({ ...about, probes: [oversize, { ...ways, size: 'path-mtu' }] })
  const path = { interfaceMtu: 1_500, mtu: 1_450 }
  const answer = (refused: boolean): Partial<WireResult> => ({
    path: { ...path, oversize: { bytes: 1_451, refused } },
  })

  test('is refused, and why is told', () => {
    expect(seen(check, () => answer(true))).toMatchObject({
      verdict: 'refused',
      expected: 'refused',
      detail:
        "the sender's kernel refused a packet of 1451 bytes that nobody may cut (message too long): the interface has an MTU of 1500, the kernel takes the path to be 1450",
    })
  })

  test('is let out', () => {
    expect(seen(check, () => answer(false))).toMatchObject({
      verdict: 'wrong-answer',
      detail: expect.stringContaining('a packet of 1451 bytes that nobody may cut was sent'),
    })
  })

  test('and nothing is known of it', () => {
    expect(seen(check, () => ({ end: 'local-error' })).verdict).toBe('unknown')
    for (const nothing of [{}, { path }])
      expect(seen(check, () => nothing)).toMatchObject({
        verdict: 'unknown',
        detail: 'the agent did not say what became of the packet',
      })
  })

  test('is refused, which says nothing without one beside it that is not too long and arrives', () => {
    expect(() => defineCheck({ ...about, probes: [oversize] })).toThrow('with the size path-mtu')
    const arrives = { ...oversize, expect: 'reached' } as const
    expect(() => defineCheck({ ...about, probes: [arrives, { ...ways, size: 'path-mtu' }] })).toThrow(
      'is refused',
    )
  })
})

describe('the time that DNS takes', () => {
  const check = defineCheck({
    ...base,
    features: [],
    covers: [...base.covers],
    id: 'test/latency',
    pods,
    probes: [{ from: 'here', resolve: 'own-service', at: 'service-ip', protocol: 'udp', withinMs: 100 }],
  })
  const { serviceIp = '' } = world.pods.find(({ name }) => name === 'worker1-a') ?? {}
  const right = { rcode: 'NOERROR', answers: [serviceIp] }

  test('half within the limit: the other half may be slow', () => {
    const observation = seen(check, (_wire, index) => ({ ...right, ms: index % 2 === 0 ? 1 : 190 }))
    expect(observation).toMatchObject({ verdict: 'reached', asked: 32 })
    expect(observation.detail).toBe('32 answers, half of them within 95.5 ms')
  })

  test('more than half too slow', () => {
    const observation = seen(check, (_wire, index) => ({ ...right, ms: index % 4 === 0 ? 1 : 301 }))
    expect(observation).toMatchObject({
      verdict: 'timed-out',
      detail: '32 answers, half of them within 301 ms instead of 100 ms',
    })
  })

  test('an answer to a question that was sent again took as long as that', () => {
    // The time limit is 5 s, and a question is sent again after a third of it.
    expect(seen(check, () => ({ ...right, attempts: 2 }))).toMatchObject({
      verdict: 'timed-out',
      detail: '32 answers, half of them within 1667.67 ms instead of 100 ms',
    })
  })

  test('what takes just as long as it may is in time', () => {
    expect(seen(check, () => ({ ...right, ms: 100 })).verdict).toBe('reached')
    expect(seen(check, () => ({ ...right, ms: 300, lostMs: 200 })).verdict).toBe('unknown')
  })

  test('without an answer there is no time, and nothing is known of what nobody limits', () => {
    const [planned] = makePlan([check], world).probes
    if (planned === undefined) throw new Error('nothing is asked')
    expect(judgeLatency(planned, () => undefined)).toBeUndefined()
    const { record: _none, ...other } = planned
    expect(judgeLookup(other, { id: 0, end: 'answered', attempts: 1, ms: 1 })).toEqual({
      verdict: 'unknown',
      detail: 'nobody wanted that name',
    })
  })

  test('too slow only for what the asking agent could not run says nothing', () => {
    const observation = seen(check, () => ({ ...right, ms: 301, lostMs: 250 }))
    expect(observation).toMatchObject({
      verdict: 'unknown',
      detail: expect.stringContaining(
        '301 ms instead of 100 ms, but the agent got no processor time for all but 51 ms of it',
      ),
    })
    expect(isStarved([observation])).toBe(true)
    expect(seen(check, () => ({ ...right, ms: 301, lostMs: 150 })).verdict).toBe('timed-out')
  })

  test('a wrong answer counts before a slow one', () => {
    expect(seen(check, () => ({ ...right, answers: ['10.0.0.1'], ms: 400 })).verdict).toBe('wrong-answer')
  })
})

describe('the resolver of a pod', () => {
  const check = defineCheck({
    ...base,
    features: [],
    covers: [...base.covers],
    id: 'test/lookup',
    pods,
    probes: [{ from: 'here', lookup: 'with-svc' }],
  })
  const ips = world.services.get('echo')?.ips ?? []

  test('finds what the API says', () => {
    expect(seen(check, () => ({ answers: [...ips] })).verdict).toBe('reached')
  })

  test('finds something else', () => {
    expect(seen(check, () => ({ answers: ['192.0.2.7'] }))).toMatchObject({
      verdict: 'wrong-answer',
      detail: `echo.cnic-main.svc: 192.0.2.7; the API objects say ${ips.join(', ')}`,
    })
    expect(seen(check, () => ({})).detail).toBe(
      `echo.cnic-main.svc: nothing; the API objects say ${ips.join(', ')}`,
    )
  })

  test('finds nothing, or gets no answer', () => {
    expect(seen(check, () => ({ end: 'no-such-name' })).verdict).toBe('no-such-name')
    expect(seen(check, () => ({ end: 'timeout' })).verdict).toBe('timed-out')
  })
})
