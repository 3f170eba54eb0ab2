import { defineCheck, type Check, type CheckInput } from '../helpers/check.ts'

const bothNodes = { first: { node: 'worker1' }, second: { node: 'worker2' } } as const

/** Any HTTP status will do: what this user may see is not the network's affair. Who it is, the certificate says. */
const apiServer = (
  [
    { id: 'cluster-ip', by: 'its ClusterIP' },
    { id: 'name', by: 'the name kubernetes.default.svc' },
  ] as const
).map(({ id, by }) =>
  defineCheck({
    id: `egress/api-server/${id}`,
    level: 'core',
    covers: ['E'],
    requirement: `A pod of every node MUST reach the API server by ${by}, and get a certificate of the cluster's authority for it.`,
    pods: bothNodes,
    probes: [
      { from: 'first', apiServer: id },
      { from: 'second', apiServer: id },
    ],
  }),
)

const withOutside = {
  level: 'extended',
  covers: ['E'],
  features: ['outside'],
  pods: bothNodes,
} satisfies Partial<CheckInput<keyof typeof bothNodes>>

/** The server knows no way to pod addresses: it answers whom it sees. */
const outside = (['tcp', 'udp', 'http'] as const).map((protocol) =>
  defineCheck({
    ...withOutside,
    id: `egress/outside/${protocol}`,
    requirement: `A pod of every node MUST reach a server outside the cluster over ${protocol.toUpperCase()}.`,
    probes: [
      { from: 'first', outside: protocol },
      { from: 'second', outside: protocol },
    ],
  }),
)

const sourceAddress = defineCheck({
  ...withOutside,
  id: 'egress/outside/source-address',
  requirement:
    'A server outside the cluster MUST see a pod under its own IP or under the InternalIP of its node.',
  probes: [
    { from: 'first', outside: 'tcp', source: 'pod-or-node-ip' },
    { from: 'second', outside: 'tcp', source: 'pod-or-node-ip' },
    { from: 'first', outside: 'udp', source: 'pod-or-node-ip' },
    { from: 'second', outside: 'udp', source: 'pod-or-node-ip' },
  ],
})

/** From pods to what is not in the pod network: the API server, and a host outside the cluster. */
export const egressChecks: readonly Check[] = [...apiServer, ...outside, sourceAddress]
