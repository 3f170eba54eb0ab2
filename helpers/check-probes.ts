import { z } from 'zod'
import { name } from './check-steps.ts'

/** The pods and the probes that a check may have, and what a probe can come to. */

/** What a probe can end in. Expected and observed are the same type; without positive evidence it is `unknown`. */
export const verdictSchema = z.enum([
  'reached',
  'timed-out',
  'refused',
  'unreachable',
  'no-such-name',
  'wrong-peer',
  'wrong-answer',
  'unknown',
])
export type Verdict = z.infer<typeof verdictSchema>

export const podSchema = z.strictObject({
  node: z.enum(['worker1', 'worker2']).describe('The node that the pod is pinned to with nodeName.'),
  namespace: z.enum(['main', 'other']).default('main').describe('The fixture namespace.'),
  own: z
    .literal(true)
    .optional()
    .describe(
      "A pod of the check's own, like a fixture pod: it runs between the steps that start and stop it.",
    ),
})

const transportSchema = z.enum(['tcp', 'udp', 'http'])

/** One pod asks another directly: its pod IP, or 127.0.0.1 for the other container of its own pod. */
const pathProbeSchema = z.strictObject({
  from: name,
  to: name,
  via: z.enum(['pod-ip', 'loopback']),
  protocol: z
    .enum(['tcp', 'udp', 'http', 'datagram'])
    .describe('datagram: one-way UDP; the receiver itself says whether it arrived.'),
  source: z
    .enum(['any', 'pod-ip'])
    .default('any')
    .describe('pod-ip: the server must see the address that the API reports for the client (no NAT).'),
  expect: verdictSchema.default('reached'),
})

/** One pod asks a fixture Service. */
const serviceProbeSchema = z.strictObject({
  from: name,
  service: z.enum(['echo']),
  via: z.enum(['cluster-ip', 'short-name', 'namespaced-name', 'fqdn']),
  protocol: transportSchema,
  answeredBy: z
    .enum(['any-endpoint', 'every-endpoint'])
    .default('any-endpoint')
    .describe(
      'any-endpoint: each connection by some ready one. every-endpoint: so many that all must have answered.',
    ),
  expect: verdictSchema.default('reached'),
})

/** One pod asks a DNS server; the answer is compared with the API object. */
const dnsProbeSchema = z.strictObject({
  from: name,
  resolve: z
    .enum(['service', 'headless-service', 'pod'])
    .describe("Whose A record: the ClusterIP, all ready pod IPs, or the pod's own address."),
  of: name.optional().describe('The pod whose record is asked for; only with resolve: pod.'),
  at: z.enum(['service-ip', 'every-dns-pod']),
  protocol: z.enum(['udp', 'tcp']),
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
  expect: verdictSchema.default('reached'),
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
  expect: verdictSchema.default('reached'),
})

export const probeSchema = z.union([
  pathProbeSchema,
  serviceProbeSchema,
  dnsProbeSchema,
  inspectProbeSchema,
  lookProbeSchema,
])
export type PathProbe = z.infer<typeof pathProbeSchema>
export type ServiceProbe = z.infer<typeof serviceProbeSchema>
export type DnsProbe = z.infer<typeof dnsProbeSchema>
export type InspectProbe = z.infer<typeof inspectProbeSchema>
export type LookProbe = z.infer<typeof lookProbeSchema>
export type Probe = z.infer<typeof probeSchema>

/** Is this probe answered by a look from a node? */
export const needsNodes = (probe: Probe): boolean =>
  'look' in probe || ('inspect' in probe && seenFromNode.has(probe.inspect))

export type PodInput = z.input<typeof podSchema>
type Named<Input, Pods, Keys extends keyof Input> = Omit<Input, Keys> & {
  [Key in Keys]: Input[Key] extends string ? Pods : Pods | undefined
}
export type ProbeInput<Pod extends string> =
  | Named<z.input<typeof pathProbeSchema>, Pod, 'from' | 'to'>
  | Named<z.input<typeof serviceProbeSchema>, Pod, 'from'>
  | (Named<Omit<z.input<typeof dnsProbeSchema>, 'of'>, Pod, 'from'> & { of?: Pod })
  | Named<z.input<typeof inspectProbeSchema>, Pod, 'in'>
  | z.input<typeof lookProbeSchema>

/** The pods of its check that a probe names. */
export function podsOf(probe: Probe): string[] {
  if ('look' in probe) return []
  if ('inspect' in probe) return [probe.in]
  if ('to' in probe) return [probe.from, probe.to]
  if ('resolve' in probe) return probe.of === undefined ? [probe.from] : [probe.from, probe.of]
  return [probe.from]
}
