import { z } from 'zod'

/**
 * Checks that change something before they ask: their policies, Services and pods (`given`) and their steps (`when`,
 * then what is asked). The vocabulary is closed, so that a check stays a value.
 */

/** A name that an author gives: a pod of a check, a policy. */
export const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes, first a letter')

/** Most entries of a list or a mapping: all of the catalogue has fewer, and what follows from them is multiplied. */
const most = 20
const tooMany = `expected at most ${most} entries`

/** A list of names. */
const names = z.array(name).max(most, tooMany)

/** A mapping from names that an author gives. */
export const byName = <Value extends z.ZodType>(value: Value): z.ZodRecord<typeof name, Value> =>
  z.record(name, value).refine((record) => Object.keys(record).length <= most, tooMany)

const namespaceSchema = z.enum(['main', 'other']).describe('The fixture namespace.')

/** The pod that a step starts, to the policies of its check. */
export const newcomerRole = 'newcomer'

/** Whom a rule lets through. Several peers are alternatives. */
const policyPeerSchema = z.union([
  z.strictObject({ pods: names.min(1).describe('Pods of the check, by label.') }),
  z.strictObject({ namespace: namespaceSchema.describe('Every pod of that namespace.') }),
  z.strictObject({
    block: z.literal('pod-cidr').describe('The pod CIDR as an IP block.'),
    except: names.default([]).describe('Pods whose addresses are cut out of the block.'),
  }),
])

/** A port of the agent's server, which every fixture pod has and names. */
const policyPortSchema = z.strictObject({
  of: z.enum(['http', 'tcp', 'udp']),
  by: z.enum(['number', 'name']).default('number'),
})

const policyRuleSchema = z.strictObject({
  peers: z.array(policyPeerSchema).min(1).max(most, tooMany).optional().describe('Absent: everyone.'),
  ports: z.array(policyPortSchema).min(1).max(most, tooMany).optional().describe('Absent: every port.'),
})

const policySchema = z
  .strictObject({
    namespace: namespaceSchema.default('main'),
    selects: z.union([z.literal('every-pod'), names.min(1)]),
    ingress: z
      .array(policyRuleSchema)
      .max(most, tooMany)
      .optional()
      .describe('Present, even empty: the policy is about ingress.'),
    egress: z
      .array(policyRuleSchema)
      .max(most, tooMany)
      .optional()
      .describe('Present, even empty: the policy is about egress.'),
  })
  .refine(({ ingress, egress }) => ingress !== undefined || egress !== undefined, {
    message: 'a policy is about ingress, egress or both',
  })
export type Policy = z.infer<typeof policySchema>
export type PolicyPeer = z.infer<typeof policyPeerSchema>

/** Stands for all fixture pods of `main`. */
export const everyPod = 'every-pod'

/** A Service of the check's own, in `main`, with the ports of the fixture Services. */
const serviceSchema = z.strictObject({
  selects: z
    .union([z.literal(everyPod), name, names.min(1)])
    .describe(
      'The pod of the check behind it, by label; of several, each is a pod of its own. every-pod: the fixture pods of `main`.',
    ),
  affinitySeconds: z
    .int()
    .min(1)
    .max(60)
    .optional()
    .describe('A client stays with the endpoint that it met, until it has been silent for so long.'),
})
export type OwnService = z.infer<typeof serviceSchema>

/** The pods of its check that a Service selects by their roles. */
export const selectedBy = ({ selects }: OwnService): readonly string[] =>
  selects === everyPod ? [] : typeof selects === 'string' ? [selects] : selects

/** What a Service can be changed to, in the words of Kubernetes. */
const serviceTypeSchema = z.enum(['ClusterIP', 'NodePort'])
export type ServiceType = z.infer<typeof serviceTypeSchema>

/**
 * Every one of `from` asks every one of `to`, over every protocol. What must come of it follows from the policies in
 * force, from the pods that run and from the Services that exist: of several endpoints every one answers, one that is
 * being deleted only where there is no other.
 */
const flowSchema = z.strictObject({
  from: names.min(1),
  to: names
    .min(1)
    .describe('Pods of the check; with cluster-ip also its Services, with node-port and record these alone.'),
  via: z
    .enum(['pod-ip', 'cluster-ip', 'node-port', 'pod-record', 'record', 'former-ip', 'former-record'])
    .default('pod-ip')
    .describe(
      "cluster-ip: through a Service, for a pod the one with that one pod behind it. node-port: at every node. pod-record: the A record of the pod's address. record: no connection; every DNS server is asked for the Service's A record. former-ip, former-record: the address that the pod had before it was stopped, and its A record; nothing may answer there.",
    ),
  protocols: z
    .array(z.enum(['tcp', 'udp', 'http']))
    .min(1)
    .max(most, tooMany),
  keeps: z
    .enum(['source-port', 'socket'])
    .optional()
    .describe(
      'source-port: each client asks from one port in all steps, with a new socket each time: to connection tables it is one conversation. socket: over one socket that stays open and connected, and is opened anew only where the kernel has closed it. Only udp to a Service via cluster-ip.',
    ),
})
export type Flow = z.infer<typeof flowSchema>

const stepSchema = z.strictObject({
  name: z.string().min(1).max(200, 'expected at most 200 characters').describe('Completes "in step ...".'),
  apply: names.default([]).describe('Policies and Services that are created first.'),
  delete: names.default([]).describe('Policies and Services that are deleted first.'),
  start: names.default([]).describe('Pods of its own that are created first, and awaited.'),
  terminate: names
    .default([])
    .describe('Pods of its own that linger: their deletion is asked for first, and not awaited.'),
  stop: names.default([]).describe('Pods of its own that are deleted first, and awaited.'),
  waits: z
    .literal('affinity')
    .optional()
    .describe(
      'First nobody asks for longer than the Services of the check keep their clients. Then one of these must have met another endpoint than before.',
    ),
  types: byName(serviceTypeSchema).default({}).describe('Services that are given another type first.'),
  traces: names
    .default([])
    .describe('Pods of its own whose traces on their node must be there while they run, and gone after it.'),
  role: z
    .enum(['judged', 'control'])
    .default('judged')
    .describe('control: shows that the paths work; what it misses makes the check unknown, never failed.'),
  effectNeeds: z
    .literal('network-policy')
    .optional()
    .describe('Where the cluster does not declare this feature, nothing may change and the flows go on.'),
  flows: z.array(flowSchema).min(1).max(most, tooMany),
  newcomer: z
    .strictObject({ like: name, to: names.min(1) })
    .optional()
    .describe(
      'When the flows are as they must be, a pod is started that asks these pods from its first moment. Policies select it as "newcomer".',
    ),
})
export type Step = z.infer<typeof stepSchema>

/** What a check with steps has beside what every check has. */
export const stepFields = {
  policies: byName(policySchema).optional(),
  services: byName(serviceSchema).optional(),
  steps: z.array(stepSchema).min(1).max(most, tooMany).optional(),
}

type Roles<Pod extends string> = readonly Pod[]
type PeerInput<Pod extends string> =
  | { pods: Roles<Pod> }
  | { namespace: z.infer<typeof namespaceSchema> }
  | { block: 'pod-cidr'; except?: Roles<Pod> }
type RuleInput<Pod extends string> = {
  peers?: readonly PeerInput<Pod>[]
  ports?: readonly z.input<typeof policyPortSchema>[]
}

/** A policy as an author writes it. */
export type PolicyInput<Pod extends string> = {
  namespace?: z.infer<typeof namespaceSchema>
  selects: 'every-pod' | readonly (Pod | typeof newcomerRole)[]
  ingress?: readonly RuleInput<Pod>[]
  egress?: readonly RuleInput<Pod>[]
}

/** A Service of its own as an author writes it. */
export type ServiceInput<Pod extends string> = {
  selects: Pod | Roles<Pod> | typeof everyPod
  affinitySeconds?: number
}

/** Flows as an author writes them. */
export type FlowInput<Pod extends string, Service extends string = never> = {
  from: Roles<Pod>
  to: Roles<Pod | Service>
  via?: Flow['via']
  protocols: readonly Flow['protocols'][number][]
  keeps?: Flow['keeps']
}

/** A step as an author writes it. */
export type StepInput<Pod extends string, Service extends string = never> = Omit<
  z.input<typeof stepSchema>,
  'flows' | 'apply' | 'delete' | 'start' | 'stop' | 'terminate' | 'types' | 'traces'
> & {
  apply?: readonly string[]
  delete?: readonly string[]
  start?: Roles<Pod>
  stop?: Roles<Pod>
  terminate?: Roles<Pod>
  types?: Readonly<Partial<Record<Service, ServiceType>>>
  traces?: Roles<Pod>
  flows: readonly FlowInput<Pod, Service>[]
  newcomer?: { like: Pod; to: Roles<Pod> }
}
