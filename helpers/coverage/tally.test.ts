import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { WireResult } from '../agent/protocol.ts'
import { askAll } from '../asked.ts'
import { defineCheck } from '../check.ts'
import type { Observation, Outcome } from '../observation.ts'
import { outcomeOf } from '../outcome.ts'
import type { Plan } from '../plan/plan.ts'
import { plansOf } from '../plan/plan.ts'
import type { Replies } from '../verdict.ts'
import { largeWorld } from '../world.testdata.ts'

const about = { level: 'core' as const, covers: ['P3'], requirement: 'It MUST work.' }

const pairs = defineCheck({
  ...about,
  id: 'test/pairs',
  pods: { here: { node: 'every' }, there: { node: 'every' } },
  probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol: 'tcp' }],
})

const service = defineCheck({
  ...about,
  id: 'test/service',
  pods: { pod: { node: 'every' } },
  probes: [{ from: 'pod', service: 'echo', via: 'cluster-ip', protocol: 'tcp' }],
})

type IsBroken = (from: string, to: string) => boolean

/** Agents that answer, but for what is broken between two nodes; those of dead nodes say nothing at all. */
const answering =
  (isBroken: IsBroken, dead: readonly string[] = []) =>
  async (plan: Plan): Promise<Replies> => {
    const results = new Map<string, WireResult>()
    for (const { from, to, questions, mayAnswer } of plan.probes) {
      if (dead.includes(from.pinnedTo)) continue
      const broken = isBroken(from.pinnedTo, to.node ?? '') || dead.includes(to.node ?? '')
      const [peer] = mayAnswer
      for (const { agent, wire } of questions) {
        const identity = {
          nonce: '',
          podUid: peer?.uid ?? '',
          pod: peer?.fullName ?? '',
          node: peer?.pinnedTo ?? '',
          saw: from.ip,
        }
        const base = { id: wire.id, attempts: 1, ms: 1 }
        results.set(
          `${agent}/${wire.id}`,
          broken ? { ...base, end: 'timeout', phase: 'connect' } : { ...base, end: 'answered', identity },
        )
      }
    }
    return {
      result: (agent, id) => results.get(`${agent}/${id}`),
      fault: (agent) => (dead.some((node) => agent.startsWith(node)) ? 'it is gone' : undefined),
    }
  }

async function seenOf(
  check: typeof pairs,
  count: number,
  isBroken: IsBroken,
  dead: readonly string[] = [],
): Promise<{ outcome: Outcome; seen: Observation[] }> {
  const asked = await askAll([check], largeWorld(count), answering(isBroken, dead))
  const seen = asked.observations(check, undefined)
  const declared = { features: [], expect: [], matches: () => false }
  return { outcome: outcomeOf(check, seen, 1, declared), seen }
}

test('what is whole is one observation, however many nodes there are', async () => {
  for (const count of [2, 3, 12, 40]) {
    const { outcome, seen } = await seenOf(pairs, count, () => false)
    expect(outcome.outcome).toBe('passed')
    expect(seen).toHaveLength(1)
    expect(seen[0]?.asked).toBe(count + Math.min(870, count * (count - 1)))
  }
})

test('a node that is cut off is named, with what it explains', async () => {
  const { outcome, seen } = await seenOf(pairs, 4, (from, to) => (from === 'worker3') !== (to === 'worker3'))
  expect(outcome.reason).toBe(
    'timed-out, expected reached: 4 nodes -> each other via pod-ip over tcp: worker3 reaches nobody and nobody reaches it: 6 of 16 pairs, all from or to it; worker -> cnic-main/worker3-a via pod-ip over tcp: no answer in 3000 ms at connect'.replace(
      'worker -> ',
      'worker2-a -> ',
    ),
  )
  expect(seen.map(({ asked }) => asked)).toEqual([6, 10])
})

test('each of two nodes that are cut off is named; so is a direction', async () => {
  const cut = ['worker3', 'worker5']
  const both = await seenOf(
    pairs,
    8,
    (from, to) => from !== to && [from, to].some((each) => cut.includes(each)),
  )
  expect(both.seen.map(({ detail }) => detail?.split(';')[0])).toEqual([
    'worker3 reaches nobody and nobody reaches it: 14 of 64 pairs',
    'worker5 reaches nobody and nobody reaches it: 12 of 64 pairs',
    undefined,
  ])
  const oneWay = await seenOf(pairs, 8, (from, to) => from !== to && from === 'worker4')
  expect(oneWay.outcome.reason).toContain('worker4 reaches nobody: 7 of 64 pairs, all from or to it')
})

test('what no node explains is listed; of two nodes nobody is blamed', async () => {
  const link = await seenOf(pairs, 4, (from, to) => from === 'worker3' && to !== 'worker')
  expect(link.outcome.reason).toContain(
    '3 of 16 pairs: within worker3, worker3 -> worker4, worker3 -> worker2',
  )
  const two = await seenOf(pairs, 2, (from, to) => from !== to)
  expect(two.outcome.reason).toContain('2 of 4 pairs: worker -> worker2, worker2 -> worker')
  const all = await seenOf(pairs, 5, (from, to) => from !== to)
  expect(all.outcome.reason).toContain('no node reaches another: 20 of 25 pairs')
})

test('of what is asked on every node, the nodes that differ are named', async () => {
  const { outcome, seen } = await seenOf(service, 5, (from) => from === 'worker4')
  expect(outcome.reason).toContain(
    '1 of 5 nodes: worker4; worker4-a -> cnic-main/echo via cluster-ip over tcp',
  )
  expect(seen.map(({ asked }) => asked)).toEqual([16, 64])
})

test('a dead agent is no evidence against the network', async () => {
  const { outcome, seen } = await seenOf(pairs, 4, () => false, ['worker3'])
  expect(outcome.outcome).toBe('not-run')
  expect(seen.map(({ verdict }) => verdict)).toEqual(['unknown', 'reached'])
})

test('whatever is broken: as many pairs are told of as were asked, and none that is whole is called broken', async () => {
  const nodes = ['worker', 'worker2', 'worker3', 'worker4', 'worker5']
  const edge = fc.tuple(fc.constantFrom(...nodes), fc.constantFrom(...nodes))
  await fc.assert(
    fc.asyncProperty(fc.array(edge, { maxLength: 30 }), async (edges) => {
      const broken = new Set(edges.map(String))
      const { outcome, seen } = await seenOf(pairs, 5, (from, to) => broken.has(`${from},${to}`))
      const sum = (verdict: Observation['verdict']): number =>
        seen.filter((each) => each.verdict === verdict).reduce((all, { asked }) => all + asked, 0)
      expect([sum('timed-out'), sum('reached')]).toEqual([broken.size, 25 - broken.size])
      expect(outcome.outcome).toBe(broken.size === 0 ? 'passed' : 'failed')
    }),
  )
})

test('more than memory has room for is asked in several plans, each binding once', () => {
  const world = largeWorld(12)
  const whole = [...plansOf([service, pairs], world, { atOnce: Infinity })]
  const parts = [...plansOf([service, pairs], world, { atOnce: 20 })]
  const named = (plans: readonly Plan[]): string[] =>
    plans.flatMap(({ probes }) => probes.map(({ check, from, to }) => `${check.id} ${from.name} ${to.name}`))
  expect(whole).toHaveLength(1)
  expect(parts.length).toBe(Math.ceil((12 + 144) / 20))
  expect(named(parts)).toEqual(named(whole))
})

test.each([
  ['a pod on one node beside it', { pod: { node: 'every' }, other: { node: 'worker1' } }, { to: 'other' }],
  ['three of them', { pod: { node: 'every' }, b: { node: 'every' }, c: { node: 'every' } }, { to: 'b' }],
  ['the other namespace', { pod: { node: 'every', namespace: 'other' }, b: { node: 'every' } }, { to: 'b' }],
  ['itself', { pod: { node: 'every' } }, { to: 'pod' }],
] as const)('%s is refused', (_what, pods, { to }) => {
  const probe = { from: 'pod', to, via: 'pod-ip', protocol: 'tcp' }
  // Whatever the types let through.
  const input = { ...about, id: 'test/refused', pods, probes: [probe] } as never
  expect(() => defineCheck(input)).toThrow(/every node/)
})
