import { defineCheck, type Check, type CheckInput } from '../helpers/check.ts'

/** Services as they are asked from where no pod network is: from nodes, and from outside the cluster. */

const protocols = ['tcp', 'udp', 'http'] as const

/** Nodes ask by pods that have their network. */
const nodes = {
  'first-node': { node: 'worker1', network: 'host' },
  'second-node': { node: 'worker2', network: 'host' },
} as const
const eachNode = ['first-node', 'second-node'] as const

const fromNodes = {
  level: 'core',
  features: ['host-network'],
  pods: nodes,
} satisfies Partial<CheckInput<keyof typeof nodes>>

const clusterIpFromNode = protocols.map((protocol) =>
  defineCheck({
    ...fromNodes,
    id: `service/cluster-ip/from-node/${protocol}`,
    covers: ['S1'],
    requirement: `A ClusterIP MUST lead a node to every ready endpoint of its Service over ${protocol.toUpperCase()}.`,
    probes: eachNode.map((from) => ({
      from,
      service: 'echo',
      via: 'cluster-ip',
      protocol,
      answeredBy: 'every-endpoint',
    })),
  }),
)

const nodePortFromNode = protocols.map((protocol) =>
  defineCheck({
    ...fromNodes,
    id: `service/node-port/from-node/${protocol}`,
    covers: ['S4'],
    requirement: `A node port MUST lead a node to the Service's endpoints over ${protocol.toUpperCase()}, at its own InternalIP and at those of all other nodes.`,
    probes: eachNode.map((from) => ({ from, service: 'echo-node-port', via: 'node-port', protocol })),
  }),
)

const fromOutside = {
  level: 'core',
  covers: ['S4'],
  features: ['outside'],
  pods: {},
} satisfies Partial<CheckInput<never>>

const nodePortFromOutside = protocols.map((protocol) =>
  defineCheck({
    ...fromOutside,
    id: `service/node-port/from-outside/${protocol}`,
    requirement: `A node port MUST lead a client outside the cluster to the Service's endpoints over ${protocol.toUpperCase()} at every node.`,
    probes: [{ from: 'outside', service: 'echo-node-port', via: 'node-port', protocol }],
  }),
)

const localEndpoints = protocols.map((protocol) =>
  defineCheck({
    ...fromOutside,
    id: `service/external-traffic-policy/local/${protocol}`,
    requirement: `With externalTrafficPolicy Local a node port MUST lead over ${protocol.toUpperCase()} to the endpoints of the node that is asked, to all of them and to no other, and they MUST see the client's own address.`,
    probes: [
      {
        from: 'outside',
        service: 'echo-external-local',
        via: 'node-port',
        at: 'nodes-with-endpoint',
        protocol,
        answeredBy: 'every-endpoint',
        source: 'client-ip',
      },
    ],
  }),
)

const atEmptyNodes = { from: 'outside', via: 'node-port', at: 'nodes-without-endpoint' } as const

/**
 * Beside it the same client asks the same nodes for a port whose Service has endpoints elsewhere. kube-proxy drops what
 * comes to the first one, Cilium in its place refuses it.
 */
const noLocalEndpoint = (['tcp', 'udp'] as const).map((protocol) =>
  defineCheck({
    ...fromOutside,
    id: `service/external-traffic-policy/no-endpoint/${protocol}`,
    requirement: `With externalTrafficPolicy Local a node port MUST NOT be answered over ${protocol.toUpperCase()} at a node that has no endpoint.`,
    probes: [
      { ...atEmptyNodes, service: 'echo-external-local', protocol, expect: 'timed-out', mayRefuse: true },
      { ...atEmptyNodes, service: 'echo-node-port', protocol },
    ],
  }),
)

const balanced = { level: 'extended', covers: ['S4'] } satisfies Partial<CheckInput<never>>

const healthText = (who: string): string =>
  `With externalTrafficPolicy Local the healthCheckNodePort of a Service MUST tell ${who} at every node that has a ready endpoint 200, and at every other 503.`

/** What a load balancer goes by: a wrong 200 leads clients to nobody, a wrong 503 to fewer than there are. */
const health: readonly Check[] = [
  defineCheck({
    ...balanced,
    id: 'service/health-check-node-port/from-pod',
    features: ['own-cluster'],
    requirement: healthText('a pod'),
    pods: { first: { node: 'worker1' }, second: { node: 'worker2' } },
    probes: (['first', 'second'] as const).map((from) => ({ from, healthOf: 'echo-load-balanced' })),
  }),
  defineCheck({
    ...balanced,
    id: 'service/health-check-node-port/from-node',
    features: ['own-cluster', 'host-network'],
    requirement: healthText('a node'),
    pods: nodes,
    probes: eachNode.map((from) => ({ from, healthOf: 'echo-load-balanced' })),
  }),
  defineCheck({
    ...balanced,
    id: 'service/health-check-node-port/from-outside',
    features: ['own-cluster', 'outside'],
    requirement: healthText('a client outside the cluster'),
    pods: {},
    probes: [{ from: 'outside', healthOf: 'echo-load-balanced' }],
  }),
]

/** From nodes, and from outside the cluster. */
export const serviceEntryChecks: readonly Check[] = [
  ...clusterIpFromNode,
  ...nodePortFromNode,
  ...nodePortFromOutside,
  ...localEndpoints,
  ...noLocalEndpoint,
  ...health,
]
