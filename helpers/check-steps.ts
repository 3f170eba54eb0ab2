import { z } from 'zod'

/**
 * Checks that change something before they ask: their policies (`given`) and their steps (`when`, then what is asked).
 * The vocabulary is closed, so that a check stays a value.
 */

/** A name that an author gives: a pod of a check, a policy. */
export const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes, first a letter')

const namespaceSchema = z.enum(['main', 'other']).describe('The fixture namespace.')

/** The pod that a step starts, to the policies of its check. */
export const newcomerRole = 'newcomer'

/** Whom a rule lets through. Several peers are alternatives. */
const policyPeerSchema = z.union([
  z.strictObject({ pods: z.array(name).min(1).describe('Pods of the check, by label.') }),
  z.strictObject({ namespace: namespaceSchema.describe('Every pod of that namespace.') }),
  z.strictObject({
    block: z.literal('pod-cidr').describe('The pod CIDR as an IP block.'),
    except: z.array(name).default([]).describe('Pods whose addresses are cut out of the block.'),
  }),
])

/** A port of the agent's server, which every fixture pod has and names. */
const policyPortSchema = z.strictObject({
  of: z.enum(['http', 'tcp', 'udp']),
  by: z.enum(['number', 'name']).default('number'),
})

const policyRuleSchema = z.strictObject({
  peers: z.array(policyPeerSchema).min(1).optional().describe('Absent: everyone.'),
  ports: z.array(policyPortSchema).min(1).optional().describe('Absent: every port.'),
})

const policySchema = z
  .strictObject({
    namespace: namespaceSchema.default('main'),
    selects: z.union([z.literal('every-pod'), z.array(name).min(1)]),
    ingress: z
      .array(policyRuleSchema)
      .optional()
      .describe('Present, even empty: the policy is about ingress.'),
    egress: z.array(policyRuleSchema).optional().describe('Present, even empty: the policy is about egress.'),
  })
  .refine(({ ingress, egress }) => ingress !== undefined || egress !== undefined, {
    message: 'a policy is about ingress, egress or both',
  })
export type Policy = z.infer<typeof policySchema>
export type PolicyPeer = z.infer<typeof policyPeerSchema>

/** Every one of `from` asks every one of `to`, over every protocol. What must come of it follows from the policies. */
const flowSchema = z.strictObject({
  from: z.array(name).min(1),
  to: z.array(name).min(1),
  via: z
    .enum(['pod-ip', 'cluster-ip'])
    .default('pod-ip')
    .describe('cluster-ip: through a Service with that one pod behind it.'),
  protocols: z.array(z.enum(['tcp', 'udp', 'http'])).min(1),
})
export type Flow = z.infer<typeof flowSchema>

const stepSchema = z.strictObject({
  name: z.string().min(1).describe('Completes "in step ...".'),
  apply: z.array(name).default([]).describe('Policies that are created first.'),
  delete: z.array(name).default([]).describe('Policies that are deleted first.'),
  role: z
    .enum(['judged', 'control'])
    .default('judged')
    .describe('control: shows that the paths work; what it misses makes the check unknown, never failed.'),
  effectNeeds: z
    .literal('network-policy')
    .optional()
    .describe('Where the cluster does not declare this feature, nothing may change and the flows go on.'),
  flows: z.array(flowSchema).min(1),
  newcomer: z
    .strictObject({ like: name, to: z.array(name).min(1) })
    .optional()
    .describe(
      'When the flows are as they must be, a pod is started that asks these pods from its first moment. Policies select it as "newcomer".',
    ),
})
export type Step = z.infer<typeof stepSchema>

/** What a check with steps has beside what every check has. */
export const stepFields = {
  policies: z.record(name, policySchema).optional(),
  steps: z.array(stepSchema).min(1).optional(),
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

/** Flows as an author writes them. */
export type FlowInput<Pod extends string> = {
  from: Roles<Pod>
  to: Roles<Pod>
  via?: Flow['via']
  protocols: readonly Flow['protocols'][number][]
}

/** A step as an author writes it. */
export type StepInput<Pod extends string> = Omit<z.input<typeof stepSchema>, 'flows' | 'apply' | 'delete'> & {
  apply?: readonly string[]
  delete?: readonly string[]
  flows: readonly FlowInput<Pod>[]
  newcomer?: { like: Pod; to: Roles<Pod> }
}

/** What the steps of a check name that it does not declare, in words. */
export function danglingNames(
  pods: readonly string[],
  policies: Readonly<Record<string, Policy>>,
  steps: readonly Step[],
): string[] {
  const named = [
    ...steps.flatMap(({ flows }) => flows.flatMap(({ from, to }) => [...from, ...to])),
    ...steps.flatMap(({ newcomer }) => (newcomer === undefined ? [] : [newcomer.like, ...newcomer.to])),
    ...Object.values(policies).flatMap(podsOfPolicy),
  ]
  const known = steps.some(({ newcomer }) => newcomer !== undefined) ? [...pods, newcomerRole] : pods
  const used = steps.flatMap((step) => [...step.apply, ...step.delete])
  return [
    ...named.filter((pod) => !known.includes(pod)).map((pod) => `unknown pod ${pod}`),
    ...used.filter((policy) => !(policy in policies)).map((policy) => `unknown policy ${policy}`),
  ]
}

function podsOfPolicy({ selects, ingress = [], egress = [] }: Policy): string[] {
  const peers = [...ingress, ...egress].flatMap((rule) => rule.peers ?? [])
  return [
    ...(selects === 'every-pod' ? [] : selects),
    ...peers.flatMap((peer) => ('pods' in peer ? peer.pods : 'block' in peer ? peer.except : [])),
  ]
}
