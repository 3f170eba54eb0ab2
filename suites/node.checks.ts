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

/** Between pods and nodes, with no Service between them. */
export const nodeChecks: readonly Check[] = [...fromPod, sourceAddress, ...toPod]
