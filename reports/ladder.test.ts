import { expect, test } from 'vitest'
import type { Outcome } from '../helpers/observation.ts'
import { diagnose, ladderOf } from './ladder.ts'
import { crossNodeDown, outcomesOf, type Broken } from './run.testdata.ts'

const lost: Broken = { verdict: 'timed-out', detail: 'no answer in 1000 ms' }
const under =
  (...prefixes: string[]) =>
  (check: string): Broken | undefined =>
    prefixes.some((prefix) => check.startsWith(prefix)) ? lost : undefined

const states = (outcomes: readonly Outcome[]): string =>
  ladderOf(outcomes)
    .map(({ rung, state, passed, failed, other }) => `${rung} ${state} ${passed}/${passed + failed + other}`)
    .join(' → ')

test('the ladder of a healthy cluster', () => {
  const outcomes = outcomesOf()
  expect(states(outcomes)).toBe(
    'loopback passed 2/2 → same-node passed 3/3 → other-node passed 5/5 → service passed 3/3 → dns passed 16/16',
  )
  expect(diagnose(outcomes)).toBeUndefined()
})

test('no outcomes, no ladder', () => {
  expect(states([])).toBe(
    'loopback absent 0/0 → same-node absent 0/0 → other-node absent 0/0 → service absent 0/0 → dns absent 0/0',
  )
  expect(diagnose([])).toBeUndefined()
})

test('nothing crosses between the nodes: the overlay, and not the Services and the DNS above it', () => {
  expect(diagnose(outcomesOf(crossNodeDown))).toEqual({
    rung: 'other-node',
    text: expect.stringMatching(
      /^pods on the same node reach each other, pods on other nodes do not: the overlay/,
    ),
    because: [
      'all 8 broken probes ended timed-out: packets vanish without a word',
      'loopback and same node below it pass',
      'service and DNS above it fail too, perhaps only as a consequence',
    ],
  })
})

test('one direction lost: says which', () => {
  const oneWay = (check: string): Broken | undefined =>
    check.startsWith('pod-to-pod/cross-node/') && !check.endsWith('delivery-there') ? lost : undefined
  const diagnosis = diagnose(outcomesOf(oneWay))
  expect(diagnosis?.text).toMatch(/^packets from flannel-worker2 to flannel-worker are lost/)
  expect(diagnosis?.because[0]).toBe(
    'one-way UDP arrives from flannel-worker to flannel-worker2, and does not arrive from flannel-worker2 to flannel-worker',
  )
})

test('one protocol lost between nodes', () => {
  const diagnosis = diagnose(outcomesOf(under('pod-to-pod/cross-node/http')))
  expect(diagnosis?.text).toMatch(/^one-way UDP between nodes arrives in both directions/)
  expect(diagnosis?.because).toContain('only http is broken, tcp, udp and datagram pass')
})

test('one ClusterIP dropped', () => {
  const diagnosis = diagnose(outcomesOf(under('service/')))
  expect(diagnosis).toMatchObject({
    rung: 'service',
    text: expect.stringMatching(/Service rules on the nodes/),
  })
  expect(diagnosis?.because).toContain('loopback, same node and other node below it pass')
})

test('kube-proxy broken on one node only: names the node', () => {
  const oneNode = (check: string): Broken | undefined =>
    check.startsWith('service/cluster-ip/') ? { ...lost, ways: [1] } : undefined
  expect(diagnose(outcomesOf(oneNode))?.because).toContain(
    'every broken probe starts on node flannel-worker2, the same from other nodes pass',
  )
})

test('CoreDNS down', () => {
  expect(diagnose(outcomesOf(under('dns/service-ip', 'dns/each-server', 'service/name')))).toMatchObject({
    rung: 'dns',
    text: expect.stringMatching(/^pods and Services answer, DNS does not: CoreDNS itself/),
  })
})

test('DNS broken at the Service only', () => {
  expect(diagnose(outcomesOf(under('dns/service-ip', 'service/name')))).toMatchObject({
    rung: 'dns',
    text: expect.stringMatching(/not at the address of the DNS Service: the rules for that Service/),
    because: expect.arrayContaining(['every CoreDNS pod answers rightly at its own pod IP']),
  })
})

test('CoreDNS gives wrong records', () => {
  const wrong = (check: string): Broken | undefined =>
    /^dns\/(service-ip|each-server)/.test(check)
      ? { verdict: 'no-such-name', detail: 'NXDOMAIN for echo' }
      : undefined
  expect(diagnose(outcomesOf(wrong))?.text).toMatch(/^CoreDNS answers, but not what the API says/)
})

test('only names inside pods', () => {
  expect(diagnose(outcomesOf(under('service/name')))?.text).toMatch(/the pods' resolver/)
})

test('lo down', () => {
  expect(diagnose(outcomesOf(under('loopback/')))).toMatchObject({
    rung: 'loopback',
    because: expect.arrayContaining(['same node, other node, service and DNS above it pass']),
  })
})

test('addresses translated between pods: no rung is broken, NAT is named', () => {
  const nat = (check: string): Broken | undefined =>
    check === 'pod-to-pod/cross-node/source-address'
      ? { verdict: 'wrong-answer', detail: 'the server saw 10.244.1.1' }
      : undefined
  expect(diagnose(outcomesOf(nat))).toMatchObject({
    rung: 'other-node',
    text: expect.stringMatching(/not seen under their own IP/),
  })
})

test('only long packets are lost: no rung is broken, the MTU is named', () => {
  expect(diagnose([...outcomesOf(), failedAlone('pod-to-pod/cross-node/large-body')])).toMatchObject({
    rung: 'other-node',
    text: expect.stringMatching(/small packets pass between pods of different nodes.*MTU/),
  })
})

test('another address outside the cluster says nothing about pods', () => {
  expect(diagnose([...outcomesOf(), failedAlone('egress/outside/source-address')])).toBeUndefined()
})

/** A check that has no rung. */
const failedAlone = (check: string): Outcome => ({
  check,
  level: 'core',
  covers: ['E'],
  requirement: 'It MUST work.',
  outcome: 'failed',
  reason: 'timed-out',
  durationMs: 1,
  observations: [],
})

test('a rung that did not run is neither green nor blamed', () => {
  const outcomes = outcomesOf(under('service/cluster-ip')).map((each): Outcome =>
    each.rung === 'other-node' ? { ...each, outcome: 'not-run', reason: 'the stream ended' } : each,
  )
  expect(states(outcomes)).toContain('other-node unknown 0/5')
  expect(diagnose(outcomes)).toMatchObject({
    rung: 'service',
    because: expect.arrayContaining(['other node below it is not known: the cause may lie there']),
  })
})
