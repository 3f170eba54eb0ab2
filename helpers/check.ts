import { z } from 'zod'
import { needsNodes, podSchema, podsOf, probeSchema, type PodInput, type ProbeInput } from './check-probes.ts'
import { name, stepFields, type PolicyInput, type ServiceInput, type StepInput } from './check-steps.ts'
import { stepProblems } from './steps/step-names.ts'

/**
 * The check model: what a check may say. One zod schema gives the TypeScript type, the JSON schema and the
 * validation of checks that users write in YAML.
 */

export const levelSchema = z.enum(['core', 'extended'])

/** The rungs of the ladder, lowest first: the first broken one is named as the likely layer. */
export const rungs = ['loopback', 'same-node', 'other-node', 'service', 'dns'] as const
export type Rung = (typeof rungs)[number]

/** Features that a cluster may declare; a check that needs an undeclared one is `unsupported`. */
export const featureSchema = z.enum([
  'network-policy',
  /** What a policy denies is refused (RST, ICMP) instead of dropped. */
  'network-policy-refuses',
  'host-port',
  'ipv6',
  'dual-stack',
  'sctp',
  'icmp',
])
export type Feature = z.infer<typeof featureSchema>

/** What a check may need: a feature, or access to the nodes, which no cluster declares: a run has it or not. */
export const nodeAccess = 'node-access'
const needSchema = z.enum([...featureSchema.options, nodeAccess])

const checkSchema = z
  .strictObject({
    id: z
      .string()
      .regex(/^[a-z0-9-]+(\/[a-z0-9-]+)+$/, 'subject/path/protocol in lower-case letters, digits and dashes')
      .describe('Stable for ever: the gate keys on it.'),
    level: levelSchema,
    covers: z.array(z.string().regex(/^[A-Z]\d{0,2}$/)).min(1),
    requirement: z.string().includes('MUST'),
    rung: z.enum(rungs).optional().describe('Its place on the ladder, if it has one.'),
    features: z.array(needSchema).default([]),
    pods: z.record(name, podSchema),
    probes: z.array(probeSchema).default([]),
    ...stepFields,
  })
  .refine(
    ({ probes, steps = [], features }) =>
      features.includes(nodeAccess) ||
      !(probes.some(needsNodes) || steps.some(({ traces }) => traces.length > 0)),
    { message: `what is seen from a node needs ${nodeAccess}`, path: ['features'] },
  )
  .refine(({ probes, steps }) => probes.length > 0 !== (steps !== undefined), {
    message: 'a check has probes, or steps that have flows',
    path: ['probes'],
  })
/** A check with every default filled in. */
export type Check = z.infer<typeof checkSchema>

/** Without steps a check changes nothing, and can be asked beside all others at any time. */
export const isPlain = ({ steps }: Check): boolean => steps === undefined

/** Looks at the network from its nodes: dearer than a packet, and asked once in a run. */
export const isLooking = (check: Check): boolean => isPlain(check) && check.features.includes(nodeAccess)

/** What an author writes: pod names in probes and steps must be keys of `pods`, or it does not compile. */
export type CheckInput<Pod extends string, Service extends string = never> = Omit<
  z.input<typeof checkSchema>,
  'pods' | 'probes' | 'policies' | 'services' | 'steps'
> & { pods: Record<Pod, PodInput> } & (
    | { probes: readonly ProbeInput<NoInfer<Pod>>[] }
    | {
        policies?: Readonly<Record<string, PolicyInput<NoInfer<Pod>>>>
        services?: Readonly<Record<Service, ServiceInput<NoInfer<Pod>>>>
        steps: readonly StepInput<NoInfer<Pod>, NoInfer<Service>>[]
      }
  )

/**
 * Makes a check: a value, no code. Defaults are filled in and the whole is validated at once.
 *
 * @throws {z.ZodError} when the value breaks the schema
 */
export function defineCheck<const Pod extends string, const Service extends string = never>(
  input: CheckInput<Pod, Service>,
): Check {
  const check = checkSchema.parse(input)
  const { policies = {}, services = {}, steps = [] } = check
  const pods = new Map(Object.entries(check.pods).map(([role, { own }]) => [role, own === true]))
  const problems = stepProblems({ pods, policies, services }, steps)
  if (check.probes.length > 0 && [...pods.values()].includes(true))
    problems.push("a pod of the check's own needs steps that start it")
  if (problems.length > 0) throw new Error(`${check.id}: ${problems.join(', ')}`)
  const unknownPods = check.probes.flatMap(podsOf).filter((pod) => !(pod in check.pods))
  if (unknownPods.length > 0)
    throw new Error(`${check.id}: probes name unknown pods ${unknownPods.join(', ')}`)
  return check
}
