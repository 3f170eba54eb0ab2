import { z } from 'zod'
import {
  isHeavyProbe,
  isLastingProbe,
  podSchema,
  probeSchema,
  type PodInput,
  type ProbeInput,
} from './check-probes.ts'
import { checkProblems, nodeAccess, runNeeds, type RunNeed } from './check-rules.ts'
import { byName, stepFields, type PolicyInput, type ServiceInput, type StepInput } from './check-steps.ts'
import { targetSchema, type TargetInput } from './check-targets.ts'

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

/** What a check may need: a feature of the cluster, or something that a run has. */
const needSchema = z.enum([...featureSchema.options, ...(Object.keys(runNeeds) as RunNeed[])])

/** What every check may say, the product's and a user's own. */
export const checkFields = {
  id: z
    .string()
    .regex(
      /^[a-z0-9-]+(\/[a-z0-9-]+)+$/,
      'expected subject/path/protocol in lower-case letters, digits and dashes',
    )
    .max(100, 'expected at most 100 characters')
    .describe('Stable for ever: the gate keys on it.'),
  level: levelSchema.describe('core: must hold on every cluster. extended: may need features.'),
  requirement: z
    .string()
    .includes('MUST', { error: 'expected a sentence with a MUST' })
    .max(500, 'expected at most 500 characters')
    .describe('The sentence that the check is about, with a MUST.'),
  features: z
    .array(needSchema)
    .max(10)
    .default([])
    .describe('What a cluster must declare for the check to be asked.'),
  pods: byName(podSchema).describe('Fixture pods by the names that probes give them.'),
  targets: byName(targetSchema)
    .optional()
    .describe('Services and hosts of yours, by the names that probes give them.'),
  probes: z
    .array(probeSchema)
    .max(50, 'expected at most 50 probes')
    .default([])
    .describe('Questions that change nothing.'),
  ...stepFields,
}

const checkSchema = z.strictObject({
  ...checkFields,
  covers: z.array(z.string().regex(/^[A-Z]\d{0,2}$/)).min(1),
  rung: z.enum(rungs).optional().describe('Its place on the ladder, if it has one.'),
})

/** A check with every default filled in. */
export type Check = z.infer<typeof checkSchema> & {
  /** A check of the user's, from a file of theirs: no fault has ever turned it red. */
  own?: true
}

/** Without steps a check changes nothing, and can be asked beside all others at any time. */
export const isPlain = ({ steps }: Check): boolean => steps === undefined

/** Does it start pods of its own? */
export const startsPods = ({ steps = [] }: Pick<Check, 'steps'>): boolean =>
  steps.some(({ start }) => start.length > 0)

/** Looks at the network from its nodes: dearer than a packet, and asked once in a run. */
export const isLooking = (check: Check): boolean => isPlain(check) && check.features.includes(nodeAccess)

/** Asks for so much at once that others beside it would wait: asked after them, once in a run. */
export const isHeavy = ({ probes }: Check): boolean => probes.some(isHeavyProbe)

/** Lasts for seconds, most of which are silence: asked beside what takes as long, once in a run. */
export const isLasting = ({ probes }: Check): boolean => probes.some(isLastingProbe)

/** A few packets: can be asked beside all others of its kind, again and again. */
export const isLight = (check: Check): boolean =>
  isPlain(check) && !isLooking(check) && !isHeavy(check) && !isLasting(check)

/** What an author writes: names in probes and steps must be declared by the check, or it does not compile. */
export type CheckInput<
  Pod extends string,
  Service extends string = never,
  Target extends string = never,
> = Omit<z.input<typeof checkSchema>, 'pods' | 'targets' | 'probes' | 'policies' | 'services' | 'steps'> & {
  pods: Record<Pod, PodInput>
} & (
    | {
        targets?: Readonly<Record<Target, TargetInput>>
        probes: readonly ProbeInput<NoInfer<Pod>, NoInfer<Target>>[]
      }
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
 * @throws {Error} with everything that does not fit together
 */
export function defineCheck<
  const Pod extends string,
  const Service extends string = never,
  const Target extends string = never,
>(input: CheckInput<Pod, Service, Target>): Check {
  const check = checkSchema.parse(input)
  const problems = checkProblems(check)
  if (problems.length > 0) {
    const texts = problems.map(({ path, message }) => `${z.core.toDotPath([...path])}: ${message}`)
    throw new Error(`${check.id}: ${texts.join(', ')}`)
  }
  return check
}
