import { describe, expect, test } from 'vitest'
import { checks as catalogue } from '../suites/catalogue.ts'
import type { Identity, WireProbe, WireResult } from './agent/protocol.ts'
import { judgeResult } from './answer-verdict.ts'
import type { Verdict } from './check-probes.ts'
import type { Judgement } from './inspect.ts'
import { makePlan } from './plan/plan.ts'
import type { PlannedProbe } from './plan/planned.ts'
import { healthyWorld, isAnswered } from './world.testdata.ts'

/** What one result says, to the letter: what a person reads at three in the morning. */

const world = healthyWorld()
const plan = makePlan(catalogue.filter(isAnswered), world)
const around = { world, looks: undefined, facts: new Map() }

interface Asked {
  planned: PlannedProbe
  wire: WireProbe
}

/** The first probe of a check, and its first question. */
function askedBy(id: string): Asked {
  const planned = plan.probes.find(({ check }) => check.id === id)
  const wire = planned?.questions[0]?.wire ?? planned?.receipt?.wire
  if (planned === undefined || wire === undefined) throw new Error(`nothing is asked for ${id}`)
  return { planned, wire }
}

const said = (
  { planned, wire }: Asked,
  result: Partial<WireResult>,
  changed: Partial<PlannedProbe> = {},
): Judgement =>
  judgeResult(
    { ...planned, ...changed },
    wire,
    { id: 0, end: 'answered', attempts: 1, ms: 1, ...result },
    around,
  )

const tcp = askedBy('pod-to-pod/cross-node/tcp')

describe('what is no answer', () => {
  const { timeoutMs } = tcp.wire
  test.each([
    [{ end: 'sent' }, 'unknown', 'sent, but nobody was asked whether it arrived'],
    [{ end: 'timeout' }, 'timed-out', `no answer in ${timeoutMs} ms`],
    [{ end: 'timeout', phase: 'connect' }, 'timed-out', `no answer in ${timeoutMs} ms at connect`],
    [
      { end: 'timeout', phase: 'answer', detail: 'why' },
      'timed-out',
      `no answer in ${timeoutMs} ms at answer (why)`,
    ],
    [{ end: 'refused', phase: 'connect', detail: 'RST' }, 'refused', 'refused at connect (RST)'],
    [{ end: 'unreachable', detail: 'EHOSTUNREACH' }, 'unreachable', 'unreachable (EHOSTUNREACH)'],
    [{ end: 'no-such-name', detail: 'ENOTFOUND' }, 'no-such-name', 'the name did not resolve (ENOTFOUND)'],
    [{ end: 'bad-answer' }, 'wrong-answer', "an answer that is not the agent's"],
    [{ end: 'bad-answer', detail: 'odd' }, 'wrong-answer', "an answer that is not the agent's (odd)"],
    [
      { end: 'untrusted', detail: 'expired' },
      'wrong-peer',
      `answered by somebody who is not ${tcp.planned.to.address}, by the certificate (expired)`,
    ],
    [{ end: 'in-use', detail: 'bind' }, 'wrong-answer', 'EADDRINUSE (bind)'],
    [{ end: 'local-error', detail: 'EMFILE' }, 'unknown', 'the agent could not ask (EMFILE)'],
  ] as const)('%o', (result, verdict, detail) => {
    expect(said(tcp, result)).toEqual({ verdict, detail })
  })
})

test('an agent that could not run says so, and for how long', () => {
  expect(said(tcp, { end: 'starved', lostMs: 900 })).toEqual({
    verdict: 'unknown',
    detail: 'no answer, but the agent got no processor time for 900 ms',
    starved: true,
  })
})

describe('who answered', () => {
  const [peer] = tcp.planned.mayAnswer
  const identity: Identity = {
    nonce: '',
    podUid: peer?.uid ?? '',
    pod: 'main/peer',
    node: 'worker2',
    saw: tcp.planned.from.ips[0] ?? '',
  }

  test('nobody by name', () => {
    expect(said(tcp, {})).toEqual({ verdict: 'wrong-answer', detail: 'the answer names nobody' })
  })

  test('the right one, and another one', () => {
    expect(said(tcp, { identity })).toEqual({ verdict: 'reached' })
    expect(said(tcp, { identity: { ...identity, podUid: 'other' } })).toEqual({
      verdict: 'wrong-peer',
      detail: 'answered by main/peer on worker2 (uid other)',
    })
  })

  test('to an address that is not the client’s own, where that counts', () => {
    const saw = { identity: { ...identity, saw: '192.0.2.9' } }
    const nodeAddress = world.nodes.find(({ name }) => name === tcp.planned.from.pinnedTo)?.address ?? ''
    const from = (source: 'any' | 'pod-ip' | 'pod-or-node-ip') => ({
      probe: { ...tcp.planned.probe, source } as PlannedProbe['probe'],
    })
    expect(said(tcp, saw, from('any'))).toEqual({ verdict: 'reached' })
    const translated = (right: string): Judgement => ({
      verdict: 'wrong-answer',
      detail: `the server saw 192.0.2.9 instead of the client's own ${right}: its address was translated`,
    })
    expect(said(tcp, saw, from('pod-ip'))).toEqual(translated(tcp.planned.from.ips.join(' or ')))
    expect(said(tcp, saw, from('pod-or-node-ip'))).toEqual(
      translated([...tcp.planned.from.ips, nodeAddress].join(' or ')),
    )
    const byNode = { identity: { ...identity, saw: nodeAddress } }
    expect(said(tcp, byNode, from('pod-or-node-ip'))).toEqual({ verdict: 'reached' })
    expect(said(tcp, byNode, from('pod-ip')).verdict).toBe('wrong-answer')
  })
})

describe('what DNS answered', () => {
  const dns = askedBy('dns/service-ip/service-udp')
  const { record } = dns.planned
  const asked = dns.wire.kind === 'dns' ? `${dns.wire.type} of ${dns.wire.name}` : ''
  const answers = record?.answers ?? []
  const right = { rcode: 'NOERROR', answers: [...answers] }

  test('as the API has it, in whole', () => {
    expect(said(dns, right)).toEqual({ verdict: 'reached' })
  })

  test.each<[Partial<WireResult>, Verdict, string]>([
    [{ rcode: 'NXDOMAIN' }, 'no-such-name', `NXDOMAIN for ${asked}`],
    [{ ...right, rcode: 'SERVFAIL' }, 'wrong-answer', `SERVFAIL for ${asked}`],
    [{ answers: right.answers }, 'wrong-answer', `no rcode for ${asked}`],
    [{ ...right, truncated: true }, 'wrong-answer', `${asked}: truncated`],
    [{ ...right, truncated: true, detail: 'over TCP too' }, 'wrong-answer', `${asked}: over TCP too`],
    [
      { rcode: 'NOERROR', answers: ['192.0.2.9'] },
      'wrong-answer',
      `${asked}: 192.0.2.9; the API objects say ${answers.join(', ')}`,
    ],
  ])('%o', (result, verdict, detail) => {
    expect(said(dns, result)).toEqual({ verdict, detail })
  })

  test('without records, where none are wanted and where some are', () => {
    const none = { rcode: 'NOERROR' }
    expect(said(dns, none).verdict).toBe('wrong-answer')
    const wanted = { record: { ...(record ?? { name: '', type: 'A' as const }), answers: [] } }
    expect(said(dns, none, wanted)).toEqual({ verdict: 'reached' })
  })

  test('more than fits a datagram: marked as not whole, or lost', () => {
    const large = askedBy('dns/service-ip/large-udp')
    expect(said(large, { rcode: 'NOERROR', truncated: true })).toEqual({ verdict: 'reached' })
    expect(said(large, { rcode: 'NOERROR', answers: ['a', 'b'] })).toEqual({
      verdict: 'wrong-answer',
      detail: `2 of ${large.planned.record?.answers.length} records over UDP, not marked as truncated`,
    })
  })

  test('to a name that nobody wanted', () => {
    const { record: _unwanted, ...planned } = dns.planned
    expect(said({ ...dns, planned }, right)).toEqual({
      verdict: 'unknown',
      detail: `nobody wanted the ${asked}`,
    })
  })
})

describe('what an agent found in its own pod', () => {
  const bound = (inspect: string, result: Partial<WireResult>): Judgement => {
    const found = plan.probes
      .flatMap((planned) => planned.questions.map(({ wire }) => ({ planned, wire })))
      .find(
        ({ planned: { probe }, wire }) =>
          wire.kind === 'bind' && 'inspect' in probe && probe.inspect === inspect,
      )
    if (found === undefined) throw new Error(`nobody asks for ${inspect}`)
    return said(found, result)
  }

  test('a port that is free, and one that is not', () => {
    expect(bound('port-free', {})).toEqual({ verdict: 'reached' })
    expect(bound('port-free', { end: 'in-use' })).toEqual({ verdict: 'wrong-answer', detail: 'EADDRINUSE' })
    expect(bound('port-in-use', { end: 'in-use' })).toEqual({ verdict: 'reached' })
    expect(bound('port-in-use', {})).toEqual({
      verdict: 'wrong-answer',
      detail: expect.stringMatching(/^bound port \d+ although the other container holds it$/) as string,
    })
  })

  test('no facts, and facts that nobody asked for', () => {
    const facts = askedBy('pod/address/own')
    expect(said(facts, {})).toEqual({ verdict: 'unknown', detail: 'the agent sent no facts' })
    const some = { podUid: '', pod: '', node: '', netns: '', addresses: [], resolvConf: '' }
    const unasked = { verdict: 'unknown', detail: 'facts were not asked for' }
    expect(said(facts, { facts: some }, { probe: tcp.planned.probe })).toEqual(unasked)
    const { inside: _nobody, ...planned } = facts.planned
    expect(said({ ...facts, planned }, { facts: some })).toEqual(unasked)
  })

  test('datagrams: those that have arrived, none, and an answer to one', () => {
    const datagram = askedBy('pod-to-pod/cross-node/delivery-there')
    const wire: WireProbe = { id: 0, kind: 'receipts', nonces: ['a', 'b'], timeoutMs: 1 }
    const receipt = { ...datagram, wire }
    expect(said(receipt, { received: ['a'] })).toEqual({ verdict: 'reached' })
    for (const result of [{}, { received: [] }]) {
      expect(said(receipt, result)).toEqual({
        verdict: 'timed-out',
        detail: 'none of 2 datagrams arrived, says the receiver',
      })
    }
    expect(said(datagram, {})).toEqual({
      verdict: 'unknown',
      detail: 'a one-way datagram cannot be answered',
    })
  })
})
