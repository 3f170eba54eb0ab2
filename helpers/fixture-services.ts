import { agentPorts } from './agent/protocol.ts'

/** The Services that come with the fixtures, as values: one for each property of a Service that is to be seen. */

/** Ports of a fixture Service. http differs from its target port, so that the translation is seen. */
export const servicePorts = { http: 80, tcp: agentPorts.tcp, udp: agentPorts.udp } as const

/** What one fixture Service is like; what is not said is as Kubernetes has it by default. */
export interface FixtureService {
  /** Who is behind it: every fixture pod of `main`, a hand-made EndpointSlice, or the Service `echo` by its name. */
  behind: 'every-pod' | 'hand-made' | 'alias'
  /** Its pods answer on their own ports: nothing translates. */
  headless?: true
  nodePort?: true
  /** Its target ports are names that the pods give, not numbers. */
  namedTargets?: true
  /** A client stays with the endpoint that it first met. */
  sticky?: true
  /** Only endpoints of the client's node. */
  nodeLocal?: true
  /** From outside only endpoints of the node that is asked, and these see the client's address. */
  externalLocal?: true
  /** An address of each family that the cluster has. */
  bothFamilies?: true
}

const fixtureServices = {
  echo: { behind: 'every-pod', bothFamilies: true },
  'echo-headless': { behind: 'every-pod', headless: true },
  'echo-named': { behind: 'every-pod', namedTargets: true },
  'echo-node-port': { behind: 'every-pod', nodePort: true },
  'echo-sticky': { behind: 'every-pod', sticky: true },
  'echo-node-local': { behind: 'every-pod', nodeLocal: true },
  'echo-external-local': { behind: 'every-pod', nodePort: true, externalLocal: true },
  'echo-by-hand': { behind: 'hand-made' },
  'echo-large': { behind: 'hand-made', headless: true },
  'echo-alias': { behind: 'alias' },
} as const satisfies Record<string, FixtureService>
export type FixtureServiceName = keyof typeof fixtureServices

/** One fixture Service as a value of the general type. */
export const fixtureService = (service: FixtureServiceName): FixtureService => fixtureServices[service]

/** Names of all fixture Services. */
export const fixtureServiceNames = Object.keys(fixtureServices) as [
  FixtureServiceName,
  ...FixtureServiceName[],
]

/** Those whose EndpointSlices the cluster makes, from the pods that their selector finds. */
export const selectingServices = fixtureServiceNames.filter(
  (name) => fixtureServices[name].behind === 'every-pod',
) as [FixtureServiceName, ...FixtureServiceName[]]

/**
 * A Service that a load balancer is to lead to from outside; only in clusters that are ours, for elsewhere one would be
 * made for it. The class is nobody's, so that no controller takes it up.
 */
export const balancedName = 'echo-load-balanced'
export const balancedSpec = {
  type: 'LoadBalancer',
  loadBalancerClass: 'cni-conformance/none',
  externalTrafficPolicy: 'Local',
} as const

/** The fixture pod that the EndpointSlice of `echo-by-hand` leads to. */
export const handMadeTarget = 'worker1-b'

/**
 * Addresses of `echo-large`: TEST-NET-1 of RFC 5737, which nobody has. Their records take 16 bytes each, so that an
 * answer has twice the 512 bytes that UDP carries without EDNS (RFC 1035, 4.2.1).
 */
export const largeAddresses: readonly string[] = Array.from(
  { length: 64 },
  (_, index) => `192.0.2.${index + 1}`,
)

/** How a fixture Service can be asked. */
export const serviceVias = ['cluster-ip', 'node-port', 'short-name', 'namespaced-name', 'fqdn'] as const
export type ServiceVia = (typeof serviceVias)[number]

/** Which nodes are asked for a node port. */
export const nodesAsked = ['every-node', 'nodes-with-endpoint', 'nodes-without-endpoint'] as const

/** Why a Service cannot be asked that way; undefined when it can. `own` is that of the client, with it alone behind it. */
export function viaProblem(service: FixtureServiceName | 'own', via: ServiceVia): string | undefined {
  const { headless, nodePort, behind }: FixtureService =
    service === 'own' ? { behind: 'every-pod' } : fixtureServices[service]
  if (via === 'node-port') return nodePort === true ? undefined : `${service} has no node port`
  if (via === 'cluster-ip' && (headless === true || behind === 'alias')) return `${service} has no ClusterIP`
  return undefined
}
