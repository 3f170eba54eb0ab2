import { z } from 'zod'
import { dnsProbeSchema, lookupProbeSchema } from './check-dns-probes.ts'
import { healthProbeSchema } from './check-health-probes.ts'
import { name } from './check-steps.ts'
import { expectedSchema, verdictSchema } from './check-verdicts.ts'
import {
  fixtureServiceNames,
  nodesAsked,
  selectingServices,
  serviceVias,
  viaProblem,
} from './fixture-services.ts'

/** The pods and the probes that a check may have, and what a probe can come to. */

export { verdictSchema, type Verdict } from './check-verdicts.ts'

export const podSchema = z.strictObject({
  node: z
    .enum(['worker1', 'worker2', 'every'])
    .describe(
      'The node that the pod is pinned to with nodeName. every: the probes are asked from each node that has pods of ours; of two such pods, between each two of these nodes, both ways, and on each.',
    ),
  namespace: z.enum(['main', 'other']).default('main').describe('The fixture namespace.'),
  network: z
    .enum(['pod', 'host'])
    .default('pod')
    .describe('host: it has the network of its node, and stands for it; in a namespace of its own.'),
  hostPort: z
    .literal(true)
    .optional()
    .describe(
      'Its ports are ports of its node, too, where it is asked via host-port; in the namespace of the pods with network: host.',
    ),
  dns: z
    .literal('own')
    .optional()
    .describe(
      "own: it has dnsPolicy None and a dnsConfig: the cluster's DNS Service, the namespace main as its search domain, ndots:2.",
    ),
  own: z
    .literal(true)
    .optional()
    .describe(
      "A pod of the check's own, like a fixture pod: it runs between the steps that start and stop it.",
    ),
  lingers: z
    .literal(true)
    .optional()
    .describe('It serves on for a while when its deletion is asked for; only a pod of the own.'),
})

/** The server outside the cluster as one who asks; no pod of a check has this name. Also that of its agent. */
export const outsideName = 'outside'
type OutsideName = typeof outsideName

const asker = name.describe('A pod of the check, or outside: the server outside the cluster.')

const transportSchema = z.enum(['tcp', 'udp', 'http'])

const silenceSchema = z
  .int()
  .min(1)
  .max(60)
  .optional()
  .describe('Seconds for which the connection is silent before it is used again; only with tcp.')

const familySchema = z
  .literal('ipv6')
  .optional()
  .describe('Over IPv6, where it is the second family of the cluster; absent: over the first.')

/** One pod asks another directly: its pod IP, its node's IP, or 127.0.0.1 for the other container of its own pod. */
const pathProbeSchema = z.strictObject({
  from: asker,
  to: name,
  via: z
    .enum(['pod-ip', 'node-ip', 'host-port', 'loopback'])
    .describe(
      "node-ip: the InternalIP of a node, where a pod with network: host answers. host-port: a port of the pod's node, which leads to it.",
    ),
  protocol: z
    .enum(['tcp', 'udp', 'http', 'datagram', 'bulk', 'icmp'])
    .describe(
      'datagram: one-way UDP; the receiver itself says whether it arrived. bulk: 1 MiB over TCP to the server and as much back, compared byte by byte. icmp: echo requests; a reply names no pod, only the address that it comes from.',
    ),
  connections: z
    .int()
    .min(1)
    .max(4_096)
    .default(1)
    .describe('So many at the same time, each of which must be answered; only with tcp.'),
  size: z
    .enum(['small', 'mtu', 'path-mtu', 'over-mtu', 'twice-mtu'])
    .default('small')
    .describe(
      "Only with datagram. mtu: as long as the MTU of the sender's interface. path-mtu: as long as its kernel takes the path to be, and nobody on the path may say that it is shorter. over-mtu: one byte longer than its interface or the path takes, and nobody may cut it: its kernel must refuse it. twice-mtu: sent in pieces.",
    ),
  silence: silenceSchema,
  source: z
    .enum(['any', 'pod-ip'])
    .default('any')
    .describe('pod-ip: the server must see the address that the API reports for the client (no NAT).'),
  family: familySchema,
  expect: expectedSchema,
})

/** One pod, or the server outside, asks a fixture Service. */
const serviceProbeSchema = z
  .strictObject({
    from: asker,
    service: z
      .enum(['own', ...fixtureServiceNames])
      .describe('own: the one that has the asking pod alone behind it; who answers is the pod itself.'),
    via: z.enum(serviceVias).describe('node-port: at the InternalIP of every node.'),
    at: z
      .enum(nodesAsked)
      .default('every-node')
      .describe('Which nodes are asked, by where endpoints of the Service are; only via node-port.'),
    protocol: transportSchema,
    silence: silenceSchema,
    family: familySchema,
    answeredBy: z
      .enum(['any-endpoint', 'every-endpoint', 'one-endpoint', 'evenly'])
      .default('any-endpoint')
      .describe(
        'any-endpoint: each connection by some ready one. every-endpoint: so many that all must have answered. one-endpoint: all by the same. evenly: all endpoints have a fair share.',
      ),
    source: z
      .enum(['any', 'client-ip'])
      .default('any')
      .describe("client-ip: the endpoint must see the client's own address (no NAT of it)."),
    expect: expectedSchema,
    mayRefuse: z
      .literal(true)
      .optional()
      .describe('With timed-out: a refusal is as good, for who serves Services is free to say no.'),
  })
  .superRefine(({ service, via, at, protocol, silence, expect, mayRefuse }, context) => {
    const message = viaProblem(service, via)
    if (message !== undefined) context.addIssue({ code: 'custom', message, path: ['via'] })
    if (at !== 'every-node' && via !== 'node-port')
      context.addIssue({ code: 'custom', message: 'only via node-port', path: ['at'] })
    if (mayRefuse === true && expect !== 'timed-out')
      context.addIssue({ code: 'custom', message: 'only with timed-out', path: ['mayRefuse'] })
    if (silence !== undefined && protocol !== 'tcp')
      context.addIssue({ code: 'custom', message: 'only with tcp', path: ['silence'] })
  })

/** One pod asks the API server, whose certificate must be of the cluster's authority and for what was asked. */
const apiServerProbeSchema = z.strictObject({
  from: name,
  apiServer: z
    .enum(['cluster-ip', 'name'])
    .describe('name: kubernetes.default.svc, found by the pod itself.'),
  expect: verdictSchema.default('reached'),
})

/** One pod asks a server outside the cluster. */
const outsideProbeSchema = z.strictObject({
  from: name,
  outside: transportSchema,
  source: z
    .enum(['any', 'pod-or-node-ip'])
    .default('any')
    .describe("pod-or-node-ip: the server must see the pod's own address or that of its node."),
  expect: verdictSchema.default('reached'),
})

/** A fact that the agent reads inside its pod, compared with the API object. */
const inspectProbeSchema = z.strictObject({
  in: name,
  inspect: z.enum([
    'shared-network-namespace',
    'own-address',
    'port-in-use',
    'port-free',
    'resolv-conf',
    'placement',
    'address-in-range',
    'address-unique',
    'own-namespace',
    'host-interface',
    'endpoint-listed',
    'address-of-node',
  ]),
  expect: expectedSchema,
})

/** What is looked at inside a pod and needs a look from its node beside it. */
const seenFromNode: ReadonlySet<string> = new Set([
  'own-namespace',
  'host-interface',
  'endpoint-listed',
  'address-of-node',
])

/** A fact that a node shows of the network, compared with the definition or with the other nodes. */
const lookProbeSchema = z.strictObject({
  on: z.enum(['every-node', 'worker1', 'worker2', 'cluster']),
  look: z
    .enum(['cni-agent', 'cni-workloads', 'cni-version', 'encapsulation', 'kube-proxy', 'other-nodes'])
    .describe('cni-workloads: of the whole cluster. other-nodes: one observation for each of them.'),
  expect: expectedSchema,
})

/** One pod asks a Service or host of the user's: whether something answers at that address, not who. */
const targetProbeSchema = z.strictObject({
  from: name,
  target: name.describe('One of the targets of the check.'),
  expect: verdictSchema
    .extract(['reached', 'refused', 'timed-out', 'no-such-name'])
    .default('reached')
    .describe('timed-out needs a probe from another pod that reaches the same target.'),
})

/** What the API server itself says, held against other objects of its own. */
const apiProbeSchema = z.strictObject({
  endpointsOf: z
    .enum(selectingServices)
    .describe('Its EndpointSlices hold exactly the ready pods that it selects.'),
  expect: expectedSchema,
})

export const probeSchema = z.union([
  pathProbeSchema,
  serviceProbeSchema,
  healthProbeSchema,
  dnsProbeSchema,
  lookupProbeSchema,
  apiServerProbeSchema,
  outsideProbeSchema,
  inspectProbeSchema,
  lookProbeSchema,
  apiProbeSchema,
  targetProbeSchema,
])
export type PathProbe = z.infer<typeof pathProbeSchema>
export type ServiceProbe = z.infer<typeof serviceProbeSchema>
export type DnsProbe = z.infer<typeof dnsProbeSchema>
export type LookupProbe = z.infer<typeof lookupProbeSchema>
export type ApiServerProbe = z.infer<typeof apiServerProbeSchema>
export type OutsideProbe = z.infer<typeof outsideProbeSchema>
export type InspectProbe = z.infer<typeof inspectProbeSchema>
export type LookProbe = z.infer<typeof lookProbeSchema>
export type ApiProbe = z.infer<typeof apiProbeSchema>
export type TargetProbe = z.infer<typeof targetProbeSchema>
export type Probe = z.infer<typeof probeSchema>

/** Is this probe answered by a look from a node? */
export const needsNodes = (probe: Probe): boolean =>
  'look' in probe || ('inspect' in probe && seenFromNode.has(probe.inspect))

/** Does the server outside the cluster ask? */
export const isFromOutside = (probe: Probe): boolean =>
  ('to' in probe || 'service' in probe || 'healthOf' in probe) && probe.from === outsideName

/** Is this probe asked when nobody else is: for it is much at once, or waits for a silence that costs its whole time? */
export const isHeavyProbe = (probe: Probe): boolean =>
  ('to' in probe && (probe.protocol === 'bulk' || probe.connections > 1)) ||
  ('service' in probe && (probe.answeredBy === 'evenly' || probe.expect === 'timed-out'))

/** Does this probe last for seconds by itself, in which it does next to nothing? */
export const isLastingProbe = (probe: Probe): boolean =>
  ('silence' in probe && probe.silence !== undefined) || ('withinMs' in probe && probe.withinMs !== undefined)

export type PodInput = z.input<typeof podSchema>
type Named<Input, Pods, Keys extends keyof Input> = Omit<Input, Keys> & {
  [Key in Keys]: Input[Key] extends string ? Pods : Pods | undefined
}
export type ProbeInput<Pod extends string, Target extends string = never> =
  | Named<Named<z.input<typeof pathProbeSchema>, Pod, 'to'>, Pod | OutsideName, 'from'>
  | Named<z.input<typeof serviceProbeSchema>, Pod | OutsideName, 'from'>
  | Named<z.input<typeof healthProbeSchema>, Pod | OutsideName, 'from'>
  | (Named<Omit<z.input<typeof dnsProbeSchema>, 'of'>, Pod, 'from'> & { of?: Pod })
  | Named<z.input<typeof lookupProbeSchema>, Pod, 'from'>
  | Named<z.input<typeof apiServerProbeSchema>, Pod, 'from'>
  | Named<z.input<typeof outsideProbeSchema>, Pod, 'from'>
  | Named<z.input<typeof inspectProbeSchema>, Pod, 'in'>
  | z.input<typeof lookProbeSchema>
  | z.input<typeof apiProbeSchema>
  | (Omit<z.input<typeof targetProbeSchema>, 'from' | 'target'> & { from: Pod; target: Target })

/** The pods of its check that a probe names, each with the field that names it. */
export function podFieldsOf(probe: Probe): [field: string, pod: string][] {
  if ('look' in probe || 'endpointsOf' in probe) return []
  if ('inspect' in probe) return [['in', probe.in]]
  const from: [string, string][] = isFromOutside(probe) ? [] : [['from', probe.from]]
  if ('to' in probe) return [...from, ['to', probe.to]]
  return 'resolve' in probe && probe.of !== undefined ? [...from, ['of', probe.of]] : from
}
