import { z } from 'zod'
import { featureSchema } from '../helpers/check.ts'
import { verdictSchema } from '../helpers/check-probes.ts'
import { undeclared } from '../helpers/outcome.ts'
import { readCidrs } from './cidr.ts'
import { cniTraits } from './supported.ts'

/**
 * What one YAML file in this folder may say. The schema gives the TypeScript type, the JSON schema that editors
 * complete from, and the first half of the validation; definition-rules.ts is the other half.
 */

const cniNames = Object.keys(cniTraits)
const encapsulations = [...new Set(Object.values(cniTraits).flatMap((traits) => traits.encapsulations))]
const installers = [...new Set(Object.values(cniTraits).flatMap((traits) => Object.keys(traits.installers)))]

/** Text of a shape; text of another shape and what is no text at all get the same words. */
const text = (shape: RegExp, error: string): z.ZodString =>
  z.string({ error }).regex(shape, { error, abort: true })

/** A version as Kubernetes and the CNIs write it. */
const version = text(
  /^v\d{1,4}\.\d{1,4}\.\d{1,4}$/,
  'expected a full version with a leading v, such as v1.37.0',
)

const cidrs = z.string().superRefine((text, context) => {
  for (const message of readCidrs(text).problems) context.addIssue({ code: 'custom', message })
})

export const nodesFields = {
  controlPlane: z
    .int()
    .min(1, 'a cluster needs a control-plane node')
    .max(1, 'more than one control-plane node needs a load balancer, which is not supported')
    .default(1)
    .describe('Number of control-plane nodes.'),
  workers: z
    .int()
    .min(2, 'at least 2 workers: the checks between nodes need a pod on each of two workers')
    .default(2)
    .describe('Number of worker nodes. Most checks are about the first two, some about each.'),
}

export const networkFields = {
  ipFamily: z
    .enum(['ipv4', 'ipv6', 'dual'])
    .default('ipv4')
    .describe('Address families of pods and Services.'),
  podSubnet: cidrs
    .optional()
    .describe(
      'Range of the pod IPs, a /24 (IPv6: /64) of it for each node. Dual stack: two with a comma between.',
    ),
  serviceSubnet: cidrs.optional().describe('Range of the ClusterIPs. Dual stack: two with a comma between.'),
  kubeProxy: z
    .enum(['iptables', 'nftables', 'ipvs', 'none'])
    .default('iptables')
    .describe('Mode of kube-proxy; none where the CNI serves Services itself.'),
}

export const cniFields = {
  name: z.enum(cniNames).describe('Which CNI.'),
  version: version.describe('Release of the CNI, such as v0.28.9.'),
  encapsulation: z.enum(encapsulations).default('vxlan').describe('How packets travel between nodes.'),
  installer: z
    .enum(installers)
    .optional()
    .describe('What sets it up; by default what upstream recommends first.'),
}

export const expectationFields = {
  check: text(
    /^[a-z0-9*?{}[\],!/-]{1,100}$/,
    'expected the id of a check or a glob over ids, such as "dns/*"',
  ).describe('Id of a check, or a glob over ids.'),
  verdict: verdictSchema
    .exclude(['unknown'])
    .describe('What its probes see instead. Without evidence there is no deviation, so never unknown.'),
  reason: text(/\S.{8,}\S/, 'expected a sentence that says why')
    .max(500, 'expected at most 500 characters')
    .describe('Why, for the reports.'),
  issue: z
    .url({
      protocol: /^https?$/,
      hostname: z.regexes.domain,
      error: 'expected the https address of an issue',
    })
    .describe('Where it is being worked on.'),
  until: z.iso
    .date('expected a day, such as 2027-03-01')
    .describe('Last day on which the deviation is accepted. From the next day on it fails.'),
}

export const topFields = {
  name: text(
    /^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/,
    'expected a name of at most 30 lower-case letters, digits and dashes, a letter first and no dash last',
  ).describe('Name of the cluster in reports; a DNS label of at most 30 characters.'),
  kubernetes: version.describe('Release of Kubernetes, such as v1.37.0.'),
  features: z
    .array(featureSchema)
    .default([])
    .describe(
      'What the cluster claims to do beyond the core. Checks of anything else are reported unsupported.',
    ),
}

const networkSchema = z.strictObject(networkFields).transform(withSubnets)

const shape = {
  apiVersion: z.literal('cni-conformance/v1').describe('Version of this format.'),
  name: topFields.name,
  kubernetes: topFields.kubernetes,
  nodes: z.strictObject(nodesFields).prefault({}).describe('How many nodes of each role.'),
  network: networkSchema.prefault({}).describe('Addresses and Services.'),
  cni: z.strictObject(cniFields).describe('The network under test.'),
  features: topFields.features,
  expect: z
    .array(z.strictObject(expectationFields))
    .default([])
    .describe('Known deviations: dated, with an issue, never silent.'),
}

export const definitionSchema = z.strictObject(shape).describe('A cluster that conformance is checked on.')

/** Any version that somebody ships, such as v1.33.5-eks-3025e55. */
const anyVersion = text(
  /^v?\d{1,4}\.\d{1,4}(\.\d{1,4})?([-+.][\w.+-]{1,60})?$/,
  'expected a version, such as v1.37.0',
).default(undeclared)

const word = (what: string): z.ZodString =>
  text(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, `expected ${what}, in lower-case letters, digits and dashes`)

/** The same for a cluster that stands already, whatever it is: what we could make of it does not matter. */
export const standingSchema: z.ZodType<z.output<typeof definitionSchema>> = z.strictObject({
  ...shape,
  kubernetes: anyVersion,
  cni: z
    .strictObject({
      name: word('the name of a CNI').default(undeclared),
      version: anyVersion,
      encapsulation: word('an encapsulation').default(undeclared),
      installer: word('an installer').optional(),
    })
    .prefault({}),
})

/** A cluster definition with every default filled in. */
export type ClusterDefinition = z.infer<typeof definitionSchema>

/** kind's defaults (site: kind.sigs.k8s.io/docs/user/configuration, "Networking"), so that a plain cluster looks familiar. */
const defaultSubnets = {
  ipv4: { podSubnet: '10.244.0.0/16', serviceSubnet: '10.96.0.0/16' },
  ipv6: { podSubnet: 'fd00:10:244::/56', serviceSubnet: 'fd00:10:96::/112' },
  dual: { podSubnet: '10.244.0.0/16,fd00:10:244::/56', serviceSubnet: '10.96.0.0/16,fd00:10:96::/112' },
}

interface NetworkInput {
  ipFamily: keyof typeof defaultSubnets
  podSubnet?: string | undefined
  serviceSubnet?: string | undefined
  kubeProxy: 'iptables' | 'nftables' | 'ipvs' | 'none'
}

/** The ranges depend on the address family, so they are no plain defaults of the schema. */
export function withSubnets(
  network: NetworkInput,
): NetworkInput & { podSubnet: string; serviceSubnet: string } {
  const subnets = defaultSubnets[network.ipFamily]
  return {
    ...network,
    podSubnet: network.podSubnet ?? subnets.podSubnet,
    serviceSubnet: network.serviceSubnet ?? subnets.serviceSubnet,
  }
}

/** JSON schema of the file as it is written. Editors' YAML servers read draft 7 and below. */
export function definitionJsonSchema(): z.core.JSONSchema.BaseSchema {
  return z.toJSONSchema(definitionSchema, { target: 'draft-07', io: 'input' })
}
