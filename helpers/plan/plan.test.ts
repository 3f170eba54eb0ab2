import { describe, expect, test } from 'vitest'
import { checks as catalogue } from '../../suites/catalogue.ts'
import { hostPorts } from '../agent/protocol.ts'
import { defineCheck } from '../check.ts'
import { bindPods } from '../coverage/every-node.ts'
import { makePlan } from './plan.ts'
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

test('a pod with the network of its node is asked at ports of its own, and no other stands for it', () => {
  const toNodes = makePlan(
    checks.filter(({ id }) => id.startsWith('node/from-pod/')),
    world,
  )
  const ports = toNodes.probes.flatMap(({ questions }) =>
    questions.flatMap(({ wire }) => ('port' in wire ? wire.port : [])),
  )
  expect(new Set(ports)).toEqual(new Set(Object.values(hostPorts)))
  const asked = toNodes.probes.flatMap(({ mayAnswer }) => mayAnswer.map(({ name }) => name))
  expect(new Set(asked)).toEqual(new Set(['worker1-host', 'worker2-host']))
})

test('a check that says how many connections asks as many', () => {
  const { probes } = makePlan(
    checks.filter(({ id }) => id === 'pod-to-pod/cross-node/many-connections'),
    world,
  )
  expect(probes.map(({ questions }) => questions.length)).toEqual([2_000])
})

test.each([
  ['a node asked at a pod IP', { from: 'pod', to: 'host', via: 'pod-ip', protocol: 'tcp' }],
  ['a pod asked at a node IP', { from: 'host', to: 'pod', via: 'node-ip', protocol: 'tcp' }],
  ['loopback of a node', { from: 'host', to: 'host', via: 'loopback', protocol: 'http' }],
  ['a crowd of datagrams', { from: 'pod', to: 'pod', via: 'pod-ip', protocol: 'udp', connections: 9 }],
] as const)('%s does not get through', (_what, probe) => {
  const define = () =>
    defineCheck({
      id: 'test/way',
      level: 'extended',
      features: ['host-network'],
      covers: ['K3'],
      requirement: 'It MUST work.',
      pods: { pod: { node: 'worker1' }, host: { node: 'worker1', network: 'host' } },
      probes: [probe],
    })
  expect(define).toThrow(/reached via node-ip|via node-ip only|loopback leads to|only with tcp/)
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

describe('ports of nodes', () => {
  const asked = (id: string) =>
    makePlan(
      checks.filter((check) => check.id === id),
      world,
    ).probes.map(({ from, to, mayAnswer, controls, questions }) => ({
      from: from.name,
      node: to.node,
      mayAnswer: mayAnswer.map(({ name }) => name),
      controls: controls?.length,
      questions: questions.length,
    }))

  test('are asked from outside at every node', () => {
    const every = ['worker1-a', 'worker1-b', 'worker2-a', 'worker2-b']
    expect(asked('service/node-port/from-outside/tcp')).toEqual(
      ['control-plane', 'worker', 'worker2'].map((node) => ({
        from: 'outside',
        node,
        mayAnswer: every,
        controls: undefined,
        questions: 16,
      })),
    )
  })

  test('lead to the endpoints of their own node with externalTrafficPolicy Local', () => {
    const probe = { from: 'outside', controls: undefined, questions: connectionsPerService }
    expect(asked('service/external-traffic-policy/local/udp')).toEqual([
      { ...probe, node: 'worker', mayAnswer: ['worker1-a', 'worker1-b'] },
      { ...probe, node: 'worker2', mayAnswer: ['worker2-a', 'worker2-b'] },
    ])
  })

  test('must be silent where there is none, beside a port of the same node that is not', () => {
    const [silent, control] = asked('service/external-traffic-policy/no-endpoint/tcp')
    expect(silent).toMatchObject({ node: 'control-plane', mayAnswer: [], controls: 16, questions: 3 })
    expect(control).toMatchObject({ node: 'control-plane', controls: undefined, questions: 16 })
  })

  test('that are to be silent have nobody to ask where every node has an endpoint', () => {
    const { probes } = makePlan(
      checks.filter(({ id }) => id === 'service/external-traffic-policy/no-endpoint/tcp'),
      { ...world, nodes: world.nodes.filter(({ role }) => role === 'worker') },
    )
    expect(probes.map(({ nobody }) => nobody)).toEqual([
      'cnic-main/echo-external-local is to be asked at nodes-without-endpoint: there are none',
      'cnic-main/echo-node-port is to be asked at nodes-without-endpoint: there are none',
    ])
  })

  test('lead to the one pod of the node that has them', () => {
    expect(asked('node/host-port/other-node/tcp')).toMatchObject([
      { from: 'worker1-a', node: 'worker2', mayAnswer: ['worker2-port'] },
      { from: 'worker2-a', node: 'worker', mayAnswer: ['worker1-port'] },
    ])
  })
})

test.each([
  ['a ClusterIP', { from: 'outside', service: 'echo', via: 'cluster-ip', protocol: 'tcp' }],
  ['a pod IP', { from: 'outside', to: 'pod', via: 'pod-ip', protocol: 'tcp' }],
  ['a host port of a pod without', { from: 'outside', to: 'pod', via: 'host-port', protocol: 'tcp' }],
  ['an address of a pod with host ports', { from: 'pod', to: 'mapped', via: 'pod-ip', protocol: 'tcp' }],
  ['a host port for long', { from: 'outside', to: 'mapped', via: 'host-port', protocol: 'bulk' }],
  [
    'silence without a control',
    {
      from: 'outside',
      service: 'echo-external-local',
      via: 'node-port',
      at: 'nodes-without-endpoint',
      protocol: 'tcp',
      expect: 'timed-out',
    },
  ],
] as const)('%s is not asked', (_what, probe) => {
  const define = () =>
    defineCheck({
      id: 'test/port',
      level: 'extended',
      features: ['host-network', 'host-port', 'outside'],
      covers: ['S4'],
      requirement: 'It MUST work.',
      pods: { pod: { node: 'worker1' }, mapped: { node: 'worker1', hostPort: true } },
      probes: [probe],
    })
  expect(define).toThrow(/outside asks via|via host-port|silence proves nothing/)
})

test.each([
  ['a pod called outside', { pods: { outside: { node: 'worker1' } } }, /that of the server outside/],
  ['a core check with host ports', { level: 'core' }, /is extended/],
  ['host ports that nobody declares', { features: ['host-network', 'outside'] }, /needs host-port/],
  ['a server outside that no run needs', { features: ['host-network', 'host-port'] }, /needs outside/],
] as const)('%s does not get through', (_what, change, message) => {
  const value = {
    id: 'test/port',
    level: 'extended',
    features: ['host-network', 'host-port', 'outside'],
    covers: ['S4'],
    requirement: 'It MUST work.',
    probes: [{ from: 'outside', to: 'mapped', via: 'host-port', protocol: 'tcp' }],
    ...change,
    pods: { mapped: { node: 'worker1', hostPort: true }, ...('pods' in change ? change.pods : {}) },
  }
  expect(() => defineCheck(value as never)).toThrow(message)
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

test('exactly the probes to what is translated are marked as such: their source ports must not meet those of direct ones', () => {
  const toService = makePlan(checks, world).probes.map(({ probe, questions }) => ({
    declared:
      'service' in probe ||
      'apiServer' in probe ||
      ('at' in probe && probe.at === 'service-ip') ||
      ('via' in probe && probe.via === 'host-port'),
    marked: new Set(questions.map(({ wire }) => 'toService' in wire)),
  }))
  for (const { declared, marked } of toService) expect([...marked]).toEqual([declared])
})
