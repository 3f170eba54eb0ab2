import { defineCheck, type Check } from '../helpers/check.ts'
import { serviceEntryChecks } from './service-entry.checks.ts'

const bothNodes = { first: { node: 'worker1' }, second: { node: 'worker2' } } as const

/** The ClusterIP from both nodes; every ready endpoint must answer. */
const clusterIp = (['tcp', 'udp', 'http'] as const).map((protocol) =>
  defineCheck({
    id: `service/cluster-ip/${protocol}`,
    level: 'core',
    covers: ['S1'],
    rung: 'service',
    requirement: `A ClusterIP MUST lead to every ready endpoint of its Service over ${protocol.toUpperCase()}, from every node.`,
    pods: bothNodes,
    probes: [
      { from: 'first', service: 'echo', via: 'cluster-ip', protocol, answeredBy: 'every-endpoint' },
      { from: 'second', service: 'echo', via: 'cluster-ip', protocol, answeredBy: 'every-endpoint' },
    ],
  }),
)

/** The same over the second family of a cluster that has two. */
const clusterIpv6 = (['tcp', 'udp', 'http'] as const).map((protocol) =>
  defineCheck({
    id: `service/cluster-ip/${protocol}-ipv6`,
    level: 'extended',
    covers: ['S1'],
    features: ['dual-stack'],
    requirement: `An IPv6 ClusterIP MUST lead to every ready endpoint of its Service over ${protocol.toUpperCase()}, from every node.`,
    pods: bothNodes,
    probes: (['first', 'second'] as const).map((from) => ({
      from,
      service: 'echo',
      via: 'cluster-ip',
      protocol,
      family: 'ipv6',
      answeredBy: 'every-endpoint',
    })),
  }),
)

/** The Service by each form of its name. */
const names = (
  [
    ['short', 'short-name', 'its bare name'],
    ['namespaced', 'namespaced-name', 'name.namespace'],
    ['fqdn', 'fqdn', 'its fully qualified name'],
  ] as const
).map(([id, via, form]) =>
  defineCheck({
    id: `service/name/${id}`,
    level: 'core',
    covers: ['S1'],
    rung: 'dns',
    requirement: `A pod MUST reach a Service of its own namespace by ${form}.`,
    pods: bothNodes,
    probes: [
      { from: 'first', service: 'echo', via, protocol: 'http' },
      { from: 'second', service: 'echo', via, protocol: 'http' },
    ],
  }),
)

const otherNamespace = defineCheck({
  id: 'service/name/other-namespace',
  level: 'core',
  covers: ['S1'],
  rung: 'dns',
  requirement:
    'A pod MUST reach a Service of another namespace by name.namespace and by its fully qualified name.',
  pods: { stranger: { node: 'worker2', namespace: 'other' } },
  probes: [
    { from: 'stranger', service: 'echo', via: 'namespaced-name', protocol: 'http' },
    { from: 'stranger', service: 'echo', via: 'fqdn', protocol: 'http' },
  ],
})

/** Both ports and protocols of one Service, over one name or address, from both nodes. */
const everyProtocol = (
  service: 'echo-named' | 'echo-by-hand' | 'echo-headless',
  via: 'cluster-ip' | 'fqdn',
) =>
  (['first', 'second'] as const).flatMap((from) =>
    (['tcp', 'udp', 'http'] as const).map((protocol) => ({ from, service, via, protocol })),
  )

const headless = defineCheck({
  id: 'service/headless',
  level: 'core',
  covers: ['S4'],
  requirement: 'The name of a headless Service MUST lead to each of its pods, with no ClusterIP between.',
  pods: bothNodes,
  probes: everyProtocol('echo-headless', 'fqdn').map((probe) => ({ ...probe, answeredBy: 'every-endpoint' })),
})

const namedTargetPorts = defineCheck({
  id: 'service/named-target-ports',
  level: 'core',
  covers: ['S1'],
  requirement:
    'A Service whose target ports are names MUST lead to the ports that its pods give these names, each of several ports to its own.',
  pods: bothNodes,
  probes: everyProtocol('echo-named', 'cluster-ip'),
})

const samePort = defineCheck({
  id: 'service/same-port',
  level: 'core',
  covers: ['S1'],
  requirement: 'One port number of a Service MUST serve TCP and UDP at the same time.',
  pods: bothNodes,
  probes: (['first', 'second'] as const).flatMap((from) =>
    (['tcp', 'udp'] as const).map((protocol) => ({
      from,
      service: 'echo',
      via: 'cluster-ip',
      protocol,
    })),
  ),
})

const withoutSelector = defineCheck({
  id: 'service/without-selector',
  level: 'core',
  covers: ['S1'],
  requirement:
    'A Service without a selector MUST lead to the addresses of the EndpointSlice that was made for it.',
  pods: bothNodes,
  probes: everyProtocol('echo-by-hand', 'cluster-ip'),
})

const externalName = defineCheck({
  id: 'service/external-name',
  level: 'core',
  covers: ['S4'],
  requirement: 'The name of an ExternalName Service MUST lead where the name that it stands for leads.',
  pods: bothNodes,
  probes: [
    { from: 'first', service: 'echo-alias', via: 'short-name', protocol: 'http' },
    { from: 'second', service: 'echo-alias', via: 'fqdn', protocol: 'http' },
  ],
})

/** A pod is among the endpoints of its own Service: its packet comes back to it. */
const hairpin = (['tcp', 'udp', 'http'] as const).map((protocol) =>
  defineCheck({
    id: `service/hairpin/${protocol}`,
    level: 'core',
    covers: ['S4'],
    requirement: `A pod MUST reach itself through its own Service over ${protocol.toUpperCase()}.`,
    pods: bothNodes,
    probes: [
      { from: 'first', service: 'own', via: 'cluster-ip', protocol },
      { from: 'second', service: 'own', via: 'cluster-ip', protocol },
    ],
  }),
)

const nodePort = (['tcp', 'udp', 'http'] as const).map((protocol) =>
  defineCheck({
    id: `service/node-port/${protocol}`,
    level: 'core',
    covers: ['S4'],
    requirement: `A node port MUST lead to the Service's endpoints over ${protocol.toUpperCase()} at every node, from pods of every node.`,
    pods: bothNodes,
    probes: [
      { from: 'first', service: 'echo-node-port', via: 'node-port', protocol },
      { from: 'second', service: 'echo-node-port', via: 'node-port', protocol },
    ],
  }),
)

const sessionAffinity = defineCheck({
  id: 'service/session-affinity',
  level: 'core',
  covers: ['S2'],
  requirement:
    'With sessionAffinity ClientIP every connection of one client MUST be answered by the endpoint that answered its first.',
  pods: bothNodes,
  probes: (['first', 'second'] as const).flatMap((from) =>
    (['tcp', 'http'] as const).map((protocol) => ({
      from,
      service: 'echo-sticky',
      via: 'cluster-ip',
      protocol,
      answeredBy: 'one-endpoint',
    })),
  ),
})

const internalTrafficPolicy = defineCheck({
  id: 'service/internal-traffic-policy',
  level: 'core',
  covers: ['S4'],
  requirement:
    "With internalTrafficPolicy Local a Service MUST lead to the ready endpoints of the client's own node, to all of them and to no other.",
  pods: bothNodes,
  probes: (['first', 'second'] as const).flatMap((from) =>
    (['tcp', 'udp'] as const).map((protocol) => ({
      from,
      service: 'echo-node-local',
      via: 'cluster-ip',
      protocol,
      answeredBy: 'every-endpoint',
    })),
  ),
})

const spread = defineCheck({
  id: 'service/spread',
  level: 'extended',
  covers: ['S2'],
  requirement:
    'The connections to a ClusterIP MUST be spread over its endpoints: of 256 each of four gets 22 to 113, which chance misses once in 10^9 runs.',
  pods: bothNodes,
  probes: [
    { from: 'first', service: 'echo', via: 'cluster-ip', protocol: 'tcp', answeredBy: 'evenly' },
    { from: 'second', service: 'echo', via: 'cluster-ip', protocol: 'tcp', answeredBy: 'evenly' },
  ],
})

const endpointSlices = defineCheck({
  id: 'service/endpoint-slices',
  level: 'core',
  covers: ['S2', 'S3'],
  requirement:
    'The EndpointSlices of a Service MUST hold the addresses of exactly the ready pods that it selects.',
  pods: {},
  probes: [{ endpointsOf: 'echo' }, { endpointsOf: 'echo-headless' }],
})

export const serviceChecks: readonly Check[] = [
  ...clusterIp,
  ...clusterIpv6,
  ...names,
  otherNamespace,
  headless,
  namedTargetPorts,
  samePort,
  withoutSelector,
  externalName,
  ...hairpin,
  ...nodePort,
  sessionAffinity,
  internalTrafficPolicy,
  spread,
  endpointSlices,
  ...serviceEntryChecks,
]
