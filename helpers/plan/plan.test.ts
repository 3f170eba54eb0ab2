import { expect, test } from 'vitest'
import { checks as catalogue } from '../../suites/catalogue.ts'
import { defineCheck } from '../check.ts'
import { bindPods, makePlan } from './plan.ts'
import { connectionsPerService } from './service.ts'
import { healthyWorld, isAnswered } from '../world.testdata.ts'

const world = healthyWorld()
const checks = catalogue.filter(isAnswered)

test('every check of the catalogue gives at least one question, and no id is used twice', () => {
  const plan = makePlan(checks, world)
  expect(new Set(plan.probes.map(({ check }) => check.id)).size).toBe(checks.length)
  const ids = [...plan.questions.values(), ...plan.receipts.values()].flat().map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  expect(plan.probes.every(({ questions }) => questions.length > 0)).toBe(true)
})

test('questions go to the agent of the pod that asks', () => {
  const plan = makePlan(checks, world)
  const planned = plan.probes.flatMap(({ from, questions }) =>
    questions.map(({ agent }) => [from.name, agent]),
  )
  expect(planned.every(([from, agent]) => from === agent)).toBe(true)
})

test('two roles on one node are two pods, never the same one', () => {
  const check = defineCheck({
    id: 'test/two',
    level: 'core',
    covers: ['P2'],
    requirement: 'It MUST work.',
    pods: { a: { node: 'worker1' }, b: { node: 'worker1' } },
    probes: [{ from: 'a', to: 'b', via: 'pod-ip', protocol: 'tcp' }],
  })
  const bound = bindPods(check, world)
  expect([...bound.values()].map(({ name }) => name)).toEqual(['worker1-a', 'worker1-b'])
})

test('a Service check sends as many connections as its bound says', () => {
  const plan = makePlan(
    checks.filter(({ id }) => id === 'service/cluster-ip/tcp'),
    world,
  )
  expect(plan.probes.map(({ questions }) => questions.length)).toEqual([
    connectionsPerService,
    connectionsPerService,
  ])
  // n * (1 - 1/n)^k for four endpoints: the chance to miss one stays below one in a million.
  expect(4 * 0.75 ** connectionsPerService).toBeLessThan(1e-6)
})

test('no CoreDNS pod: the probes stay in the plan, without questions', () => {
  const plan = makePlan(
    checks.filter(({ id }) => id === 'dns/each-server/service-udp'),
    { ...world, dns: { ...world.dns, servers: [] } },
  )
  expect(plan.probes).toHaveLength(2)
  expect(plan.questions.size).toBe(0)
})

test('a name in probes that no pod has does not get through', () => {
  expect(() =>
    defineCheck({
      id: 'test/typo',
      level: 'core',
      covers: ['P2'],
      requirement: 'It MUST work.',
      pods: { client: { node: 'worker1' } },
      // @ts-expect-error: "clinet" is no key of pods
      probes: [{ in: 'clinet', inspect: 'placement' }],
    }),
  ).toThrow('unknown pods clinet')
})

test('exactly the probes to a Service are marked as such: their source ports must not meet those of direct ones', () => {
  const toService = makePlan(checks, world).probes.map(({ probe, questions }) => ({
    declared: 'service' in probe || ('at' in probe && probe.at === 'service-ip'),
    marked: new Set(questions.map(({ wire }) => 'toService' in wire)),
  }))
  for (const { declared, marked } of toService) expect([...marked]).toEqual([declared])
})
