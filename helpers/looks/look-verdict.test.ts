import { describe, expect, test } from 'vitest'
import type { Facts } from '../agent/protocol.ts'
import { checks } from '../../suites/catalogue.ts'
import { defineCheck, isLooking } from '../check.ts'
import type { LookProbe } from '../check-probes.ts'
import type { Observation } from '../observation.ts'
import { observeLooks } from './look-verdict.ts'
import type { Link } from './node-facts.ts'
import { fromItsNode } from './node-inspect.ts'
import { gapsIn, type Look, type Looks } from './node-looks.ts'
import { missingFeatures, outcomeOf, withNeeds } from '../outcome.ts'
import { makePlan } from '../plan/plan.ts'
import { healthyWorld } from '../world.testdata.ts'

const world = healthyWorld()
const [pod, twin] = world.pods

const link = (ifindex: number, more: Partial<Link> = {}): Link => ({
  ifindex,
  ifname: `veth${ifindex}`,
  flags: ['UP'],
  link_index: 2,
  link_netnsid: ifindex,
  ...more,
})

/** The pods of a node have their other ends at 10, 11, ... */
const peerOf = (fullName: string): number => 10 + world.pods.findIndex((each) => each.fullName === fullName)

const factsOf = (fullName: string): Facts => ({
  podUid: '',
  pod: fullName,
  node: '',
  netns: `net:[${peerOf(fullName)}]`,
  addresses: [],
  resolvConf: '',
  interface: { name: 'eth0', index: 2, peer: peerOf(fullName) },
  tools: { netns: `net:[${peerOf(fullName)}]`, addresses: [] },
})

function healthyLook(node: string): Look {
  const own = world.pods.filter(({ pinnedTo }) => pinnedTo === node)
  return {
    facts: {
      netns: { value: 'net:[1]' },
      links: { value: own.map(({ fullName }) => link(peerOf(fullName))) },
      kubeProxy: { value: 'iptables' },
    },
    cni: {
      health: { value: { ok: true, says: 'ok' } },
      version: { value: 'v1' },
      encapsulation: { value: 'vxlan' },
      servesServices: { value: undefined },
      others: {
        value: world.nodes.filter(({ name }) => name !== node).map(({ name }) => ({ name, missing: [] })),
      },
      endpoints: { value: own.map(({ fullName, ip }) => ({ pod: fullName, addresses: [ip] })) },
      ranges: { value: [world.nodes.find(({ name }) => name === node)?.podCIDR ?? ''] },
    },
  }
}

const healthyLooks = (): Looks => ({
  nodes: new Map(world.nodes.map(({ name }) => [name, healthyLook(name)])),
  declared: { version: 'v1', encapsulation: 'vxlan', kubeProxy: 'iptables', podSubnet: '10.244.0.0/16' },
  hostInterface: 'veth',
  agents: { value: world.nodes.map(({ name }) => ({ name: `agent-${name}`, node: name })) },
  workloads: [
    {
      workload: { kind: 'Deployment', namespace: 'net', name: 'operator' },
      pods: { value: { ready: 1, wanted: 1 } },
    },
  ],
})

/** Healthy looks but for the first worker. */
function looksWith(change: { cni?: Partial<Look['cni']>; facts?: Partial<Look['facts']> }): Looks {
  const healthy = healthyLooks()
  const { cni, facts } = healthyLook('worker')
  const changed = { cni: { ...cni, ...change.cni }, facts: { ...facts, ...change.facts } }
  return { ...healthy, nodes: new Map([...healthy.nodes, ['worker', changed]]) }
}

const ask = (look: LookProbe['look'], looks: Looks, on: LookProbe['on'] = 'every-node'): Observation[] =>
  observeLooks({ on, look, expect: 'reached' }, looks, world)
const off = (observations: readonly Observation[]): string[] =>
  observations.flatMap(({ verdict, detail }) => (verdict === 'reached' ? [] : `${verdict}: ${detail}`))

describe('what nodes show', () => {
  const all: LookProbe['look'][] = ['cni-agent', 'cni-version', 'encapsulation', 'kube-proxy', 'other-nodes']

  test.each(all)('%s of a healthy cluster is as it must be, on each node', (look) => {
    const seen = ask(look, healthyLooks())
    expect(off(seen)).toEqual([])
    expect(seen).toHaveLength(look === 'other-nodes' ? 6 : 3)
    expect([...gapsIn(healthyLooks())]).toEqual([])
  })

  test.each(all)('%s that cannot be read is unknown', (look) => {
    const unread = { unread: 'no answer' }
    const { cni } = healthyLook('worker')
    const looks = looksWith({
      cni: Object.fromEntries(Object.keys(cni).map((name) => [name, unread])),
      facts: { kubeProxy: unread },
    })
    expect(off(ask(look, looks))).toEqual(
      Array.from({ length: look === 'other-nodes' ? 2 : 1 }, () => 'unknown: no answer'),
    )
    expect([...gapsIn(looks)]).toEqual(['no answer'])
  })

  test('an agent that is not well, one that is missing, and two on one node', () => {
    const ill = looksWith({ cni: { health: { value: { ok: false, says: 'HTTP 503' } } } })
    expect(off(ask('cni-agent', ill))).toEqual(['wrong-answer: the agent is not well: HTTP 503'])
    const agents = [
      { name: 'a', node: 'worker' },
      { name: 'b', node: 'worker' },
      { name: 'c', node: 'worker2' },
    ]
    expect(off(ask('cni-agent', { ...healthyLooks(), agents: { value: agents } }))).toEqual([
      'wrong-answer: control-plane has no agent',
      'wrong-answer: worker has 2 agents: a, b',
    ])
  })

  test('what is not as declared names both', () => {
    const looks = looksWith({ cni: { version: { value: 'v2' }, encapsulation: { value: 'host-gw' } } })
    expect(off(ask('cni-version', looks))).toEqual([
      'wrong-answer: the version of the agent is v2, declared is v1',
    ])
    expect(off(ask('encapsulation', looks))).toEqual([
      'wrong-answer: the encapsulation is host-gw, declared is vxlan',
    ])
    expect(off(ask('encapsulation', looks, 'worker2'))).toEqual([])
    expect(off(ask('encapsulation', looks, 'worker1'))).toHaveLength(1)
  })

  test('without kube-proxy somebody else must serve Services', () => {
    const none = { facts: { kubeProxy: { value: 'none' } } }
    expect(off(ask('kube-proxy', looksWith(none)))).toEqual([
      'wrong-answer: the mode of kube-proxy is none, declared is iptables',
    ])
    const declared = { ...healthyLooks().declared, kubeProxy: 'none' }
    expect(off(ask('kube-proxy', { ...looksWith(none), declared }, 'worker1'))).toEqual([
      'wrong-answer: there is no kube-proxy, and nobody serves Services in its place',
    ])
    const served = looksWith({ ...none, cni: { servesServices: { value: 'it does' } } })
    expect(off(ask('kube-proxy', { ...served, declared }, 'worker1'))).toEqual([])
  })

  test('a node that is not on the list is as bad as one of which something is missing', () => {
    const others = [{ name: 'worker2', missing: ['no route', 'no FDB entry'] }]
    const seen = ask('other-nodes', looksWith({ cni: { others: { value: others } } }))
    expect(off(seen)).toEqual([
      'wrong-answer: it knows nothing of it',
      'wrong-answer: no route; no FDB entry',
    ])
    expect(seen.find(({ verdict }) => verdict !== 'reached')).toMatchObject({
      from: { name: 'worker', node: 'worker', address: '172.18.0.3' },
      to: { name: 'control-plane', address: '172.18.0.2' },
    })
  })

  test('a workload without pods that it wants, or that wants none, is not ready', () => {
    const having = (ready: number, wanted: number): string[] => {
      const [first] = healthyLooks().workloads
      if (first === undefined) throw new Error('no workload')
      return off(
        ask(
          'cni-workloads',
          { ...healthyLooks(), workloads: [{ ...first, pods: { value: { ready, wanted } } }] },
          'cluster',
        ),
      )
    }
    expect(having(2, 2)).toEqual([])
    expect(having(1, 2)).toEqual(['wrong-answer: it wants 2 pods and has 1 ready'])
    expect(having(0, 0)).toHaveLength(1)
  })
})

describe('a look, to the letter', () => {
  const seenFrom = { via: 'node', protocol: 'none', expected: 'reached', attempts: 1, asked: 1, peers: [] }
  const worker = { name: 'worker', node: 'worker', address: '172.18.0.3' }
  const whole = { ...seenFrom, verdict: 'reached', answered: 1 }

  test('at a node', () => {
    expect(ask('cni-version', healthyLooks(), 'worker1')).toEqual([
      { ...whole, probe: 'cni-version on worker', from: worker, to: worker },
    ])
  })

  test('at what a node knows of another one', () => {
    const [, second] = ask('other-nodes', healthyLooks(), 'worker1')
    const other = { name: 'worker2', node: 'worker2', address: '172.18.0.4' }
    expect(second).toEqual({ ...whole, probe: 'worker knows worker2', from: worker, to: other })
  })

  test('at a workload', () => {
    const operator = { name: 'net/operator' }
    expect(ask('cni-workloads', healthyLooks(), 'cluster')).toEqual([
      { ...whole, probe: 'Deployment net/operator', from: operator, to: operator },
    ])
  })

  test('that nobody took, and one that is not for a node, are unknown and unanswered', () => {
    const unknown = { ...seenFrom, verdict: 'unknown', answered: 0, from: worker, to: worker }
    const blind = { ...healthyLooks(), nodes: new Map() }
    for (const what of ['cni-agent', 'other-nodes'] as const)
      expect(ask(what, blind, 'worker1')).toEqual([
        { ...unknown, probe: `${what} on worker`, detail: 'nobody looked at worker' },
      ])
    expect(ask('cni-workloads', healthyLooks(), 'worker1')).toEqual([
      { ...unknown, probe: 'cni-workloads on worker', detail: 'cni-workloads is not asked of one node' },
    ])
  })
})

describe('checks that look', () => {
  const declares = { features: [], expect: [], matches: (a: string, b: string) => a === b }

  test('without access to the nodes each is unsupported and says so, with it each is asked something', () => {
    const looking = checks.filter(isLooking)
    expect(looking).not.toHaveLength(0)
    for (const check of looking) {
      expect(outcomeOf(check, [], 0, declares)).toMatchObject({
        outcome: 'unsupported',
        reason: "it looks at the network from the cluster's nodes, to which this run has no access",
      })
      expect(missingFeatures(check, withNeeds(declares, ['node-access']))).toEqual([])
      const inPods = makePlan([check], world).probes.length
      const onNodes = check.probes.flatMap((probe) =>
        'look' in probe ? observeLooks(probe, healthyLooks(), world) : [],
      )
      expect(inPods + onNodes.length).toBeGreaterThan(0)
    }
  })

  test('what is seen from a node needs access to it', () => {
    const about = { id: 'a/b', level: 'extended', requirement: 'It MUST.', pods: {} } as const
    const define = () =>
      defineCheck({ ...about, covers: ['C'], probes: [{ on: 'every-node', look: 'cni-agent' }] })
    expect(define).toThrow(/needs node-access/)
  })
})

describe('what the node of a pod shows of it', () => {
  const facts = new Map(world.pods.map(({ fullName }) => [fullName, factsOf(fullName)]))
  if (pod === undefined || twin === undefined) throw new Error('no pods')

  const inspect = (what: string, looks: Looks, own = factsOf(pod.fullName), others = facts): string => {
    const found = fromItsNode[what]?.(pod, own, { world, looks, facts: others })
    return found === undefined ? 'fine' : `${found.verdict}: ${found.detail}`
  }
  const all = Object.keys(fromItsNode)

  test.each(all)('%s of a healthy pod is fine', (what) => {
    expect(inspect(what, healthyLooks())).toBe('fine')
  })

  test.each(all)('%s without a look is unknown', (what) => {
    const unread = { unread: 'no answer' }
    const { cni } = healthyLook('worker')
    const looks = looksWith({
      cni: Object.fromEntries(Object.keys(cni).map((name) => [name, unread])),
      facts: { netns: unread, links: unread },
    })
    expect(inspect(what, looks)).toBe('unknown: no answer')
    expect(inspect(what, { ...looks, nodes: new Map() })).toBe('unknown: nobody looked at worker')
  })

  const withLinks = (...links: Link[]): Looks => looksWith({ facts: { links: { value: links } } })
  const own = peerOf(pod.fullName)

  test.each([
    ['nothing at its index', withLinks(), 'no interface of that index'],
    ['a pair with somebody else', withLinks(link(own, { link_index: 7 })), 'whose own other end is index 7'],
    [
      'a pair within the node',
      withLinks({ ifindex: own, ifname: 'veth1', flags: ['UP'], link_index: 2 }),
      'on the node',
    ],
    ['another name', withLinks(link(own, { ifname: 'renamed' })), 'is renamed on worker, and not veth'],
    ['an interface that is down', withLinks(link(own, { flags: [] })), 'is down'],
  ])('the other end of the interface: %s', (_, looks, said) => {
    expect(inspect('host-interface', looks)).toMatch(/^wrong-answer: /)
    expect(inspect('host-interface', looks)).toContain(said)
  })

  test('the two ends may have the same index: each is in a namespace of its own', () => {
    const equal = { ...factsOf(pod.fullName), interface: { name: 'eth0', index: own, peer: own } }
    expect(inspect('host-interface', withLinks(link(own, { link_index: own })), equal)).toBe('fine')
    const alone = link(own, { link_index: 0 })
    expect(inspect('host-interface', withLinks(alone), equal)).toContain('whose own other end is index 0')
  })

  test('two pods at the same end', () => {
    const shared = new Map(facts).set(twin.fullName, factsOf(pod.fullName))
    expect(inspect('host-interface', healthyLooks(), undefined, shared)).toContain(
      `of ${twin.fullName} as well`,
    )
  })

  test('a namespace that is the node’s or a neighbour’s, and a neighbour who is silent', () => {
    const { netns } = factsOf(pod.fullName)
    const inNode = { ...factsOf(pod.fullName), tools: { netns: 'net:[1]', addresses: [] } }
    expect(inspect('own-namespace', healthyLooks(), inNode)).toBe(
      'wrong-answer: container tools is in net:[1], the namespace of worker',
    )
    const shared = new Map(facts).set(twin.fullName, { ...factsOf(twin.fullName), netns })
    expect(inspect('own-namespace', healthyLooks(), undefined, shared)).toContain(`as ${twin.fullName} is`)
    const quiet = new Map([...facts].filter(([name]) => name !== twin.fullName))
    expect(inspect('own-namespace', healthyLooks(), undefined, quiet)).toBe(
      `unknown: nothing is known of ${twin.fullName}`,
    )
  })

  const withEndpoints = (...endpoints: { pod: string; addresses: string[]; problem?: string }[]): Looks =>
    looksWith({ cni: { endpoints: { value: endpoints } } })

  test('an endpoint that is missing, has another address, or that the CNI itself calls broken', () => {
    const { fullName, ip } = pod
    expect(inspect('endpoint-listed', withEndpoints())).toContain('no endpoint of it among 0')
    expect(inspect('endpoint-listed', withEndpoints({ pod: fullName, addresses: ['10.0.0.1'] }))).toBe(
      `wrong-answer: on worker its endpoint has 10.0.0.1, the API says ${ip}`,
    )
    const broken = withEndpoints({ pod: fullName, addresses: [ip], problem: 'it is restoring' })
    expect(inspect('endpoint-listed', broken)).toBe('wrong-answer: on worker: it is restoring')
  })

  test('an address of another node', () => {
    const elsewhere = looksWith({ cni: { ranges: { value: ['10.244.9.1/24'] } } })
    expect(inspect('address-of-node', elsewhere)).toBe(
      `wrong-answer: ${pod.ip} is not of worker, whose pods have 10.244.9.1/24`,
    )
    expect(inspect('address-of-node', looksWith({ cni: { ranges: { value: ['10.244.1.1/24'] } } }))).toBe(
      'fine',
    )
  })
})
