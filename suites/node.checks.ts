import { defineCheck, type Check, type CheckInput } from '../helpers/check.ts'

/** Nodes are asked and ask by pods that have their network. */
const withNodes = { level: 'core', features: ['host-network'] } satisfies Partial<CheckInput<never>>

const pods = {
  first: { node: 'worker1' },
  second: { node: 'worker2' },
  'first-node': { node: 'worker1', network: 'host' },
  'second-node': { node: 'worker2', network: 'host' },
} as const

const transports = ['tcp', 'udp', 'http'] as const

const pairs = {
  'own-node': [
    ['first', 'first-node'],
    ['second', 'second-node'],
  ],
  'other-node': [
    ['first', 'second-node'],
    ['second', 'first-node'],
  ],
} as const

const places = [
  { id: 'own-node', where: 'its own node', whose: 'one of its own pods' },
  { id: 'other-node', where: 'another node', whose: 'a pod of another node' },
] as const

/** Pods ask nodes at their InternalIPs. */
const fromPod = places.flatMap(({ id, where }) =>
  transports.map((protocol) =>
    defineCheck({
      ...withNodes,
      id: `node/from-pod/${id}/${protocol}`,
      covers: ['K3', 'E'],
      requirement: `A pod MUST reach a server of ${where} at the InternalIP of the node over ${protocol.toUpperCase()}.`,
      pods,
      probes: pairs[id].map(([from, to]) => ({ from, to, via: 'node-ip' as const, protocol })),
    }),
  ),
)

/** Nodes ask pods. Under which address is the network's own affair: that of the node, of its bridge or of its tunnel. */
const toPod = places.flatMap(({ id, whose }) =>
  transports.map((protocol) =>
    defineCheck({
      ...withNodes,
      id: `node/to-pod/${id}/${protocol}`,
      covers: ['K3'],
      requirement: `A node MUST reach the pod IP of ${whose} over ${protocol.toUpperCase()}.`,
      pods,
      probes: pairs[id].map(([pod, node]) => ({ from: node, to: pod, via: 'pod-ip' as const, protocol })),
    }),
  ),
)

/** Elsewhere a network may give it the address of its node: the way back needs a route to pods then. */
const sourceAddress = defineCheck({
  ...withNodes,
  id: 'node/from-pod/own-node/source-address',
  level: 'extended',
  covers: ['K3'],
  requirement: 'A pod MUST be seen under its own IP by a server of its own node.',
  pods,
  probes: pairs['own-node'].flatMap(([from, to]) =>
    (['tcp', 'udp'] as const).map((protocol) => ({
      from,
      to,
      via: 'node-ip' as const,
      protocol,
      source: 'pod-ip' as const,
    })),
  ),
})

/** Pods that ports of their nodes lead to, and who asks them. Both have the same ports. */
const mapped = {
  first: { node: 'worker1' },
  second: { node: 'worker2' },
  'first-port': { node: 'worker1', hostPort: true },
  'second-port': { node: 'worker2', hostPort: true },
} as const
const askers = {
  'own-node': {
    who: 'a pod of that node',
    pairs: [
      ['first', 'first-port'],
      ['second', 'second-port'],
    ],
  },
  'other-node': {
    who: 'a pod of another node',
    pairs: [
      ['first', 'second-port'],
      ['second', 'first-port'],
    ],
  },
  'from-outside': {
    who: 'a client outside the cluster',
    pairs: [
      ['outside', 'first-port'],
      ['outside', 'second-port'],
    ],
  },
} as const

const hostPort = (['own-node', 'other-node', 'from-outside'] as const).flatMap((id) =>
  transports.map((protocol) =>
    defineCheck({
      id: `node/host-port/${id}/${protocol}`,
      level: 'extended',
      covers: ['S4'],
      features: ['host-port', 'host-network', ...(id === 'from-outside' ? (['outside'] as const) : [])],
      requirement: `A host port MUST lead ${askers[id].who} over ${protocol.toUpperCase()} to the pod of the node that is asked.`,
      pods: mapped,
      probes: askers[id].pairs.map(([from, to]) => ({ from, to, via: 'host-port' as const, protocol })),
    }),
  ),
)

/** Between pods and nodes, with no Service between them. */
export const nodeChecks: readonly Check[] = [...fromPod, sourceAddress, ...toPod, ...hostPort]
