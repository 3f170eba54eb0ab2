import { z } from 'zod'
import { name, stepFields, type PolicyInput, type ServiceInput, type StepInput } from './check-steps.ts'
import { stepProblems } from './steps/step-names.ts'

/**
 * The check model: what a check may say. One zod schema gives the TypeScript type, the JSON schema and the
 * validation of checks that users write in YAML.
 */

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

/** What a check can end in. Every report carries it with its reason. */
export const outcomeKindSchema = z.enum(['passed', 'failed', 'unsupported', 'expected', 'not-run'])
export type OutcomeKind = z.infer<typeof outcomeKindSchema>

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

const podSchema = z.strictObject({
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

const probeSchema = z.union([
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

/** Is this probe answered by a look from a node? */
const needsNodes = (probe: Probe): boolean =>
  'look' in probe || ('inspect' in probe && seenFromNode.has(probe.inspect))

/** Looks at the network from its nodes: dearer than a packet, and asked once in a run. */
export const isLooking = (check: Check): boolean => isPlain(check) && check.features.includes(nodeAccess)

type PodInput = z.input<typeof podSchema>
type Named<Input, Pods, Keys extends keyof Input> = Omit<Input, Keys> & {
  [Key in Keys]: Input[Key] extends string ? Pods : Pods | undefined
}
type ProbeInput<Pod extends string> =
  | Named<z.input<typeof pathProbeSchema>, Pod, 'from' | 'to'>
  | Named<z.input<typeof serviceProbeSchema>, Pod, 'from'>
  | (Named<Omit<z.input<typeof dnsProbeSchema>, 'of'>, Pod, 'from'> & { of?: Pod })
  | Named<z.input<typeof inspectProbeSchema>, Pod, 'in'>
  | z.input<typeof lookProbeSchema>

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

/** The pods of its check that a probe names. */
function podsOf(probe: Probe): string[] {
  if ('look' in probe) return []
  if ('inspect' in probe) return [probe.in]
  if ('to' in probe) return [probe.from, probe.to]
  if ('resolve' in probe) return probe.of === undefined ? [probe.from] : [probe.from, probe.of]
  return [probe.from]
}

/** One end of an observed path. */
const endSchema = z.strictObject({
  /** `namespace/pod`, a Service name or an address. */
  name: z.string(),
  node: z.string().optional(),
  /** `ip:port` or `ip`. */
  address: z.string().optional(),
})
export type End = z.infer<typeof endSchema>

/** What one probe of a check saw. */
const observationSchema = z.strictObject({
  /** The step that it belongs to; only in checks with steps. */
  step: z.string().optional(),
  /** Short name of the probe within its check: "client -> server via pod-ip over tcp". */
  probe: z.string(),
  from: endSchema,
  to: endSchema,
  via: z.string(),
  protocol: z.string(),
  expected: verdictSchema,
  verdict: verdictSchema,
  /** Sockets opened or questions sent; more than `asked` means that something had to be sent again. */
  attempts: z.int().nonnegative(),
  /** Answers wanted and answers got: 64 and 64 for a Service that must show every endpoint. */
  asked: z.int().nonnegative(),
  answered: z.int().nonnegative(),
  /** Median of the answers' round trips in milliseconds; absent without an answer. */
  latencyMs: z.number().nonnegative().optional(),
  /** Who answered and what it saw: pod -> answers, source addresses. */
  peers: z.array(
    z.strictObject({ pod: z.string(), node: z.string(), answers: z.int(), saw: z.array(z.string()) }),
  ),
  /** What was seen in words, always present when the verdict is not the expected one. */
  detail: z.string().optional(),
})
export type Observation = z.infer<typeof observationSchema>

/** What a step of a check came to: its controls are counted, not listed, unless they went wrong. */
const stepResultSchema = z.strictObject({
  name: z.string(),
  role: z.enum(['judged', 'control']),
  probes: z.int().nonnegative(),
  asExpected: z.int().nonnegative(),
  /** Milliseconds from what the step changes to its verdict. */
  ms: z.number().nonnegative(),
})
export type StepResult = z.infer<typeof stepResultSchema>

/** The result of one check on one leg. */
export const outcomeSchema = z.strictObject({
  check: z.string(),
  level: levelSchema,
  covers: z.array(z.string()),
  requirement: z.string(),
  rung: z.enum(rungs).optional(),
  /** What a cluster must declare for the check to be asked; absent where it is nothing, as for every core check. */
  features: z.array(z.string()).optional(),
  outcome: outcomeKindSchema,
  /** Why it is not simply `passed`. */
  reason: z.string().optional(),
  /** Milliseconds from the first probe of the check to its last answer. */
  durationMs: z.number().nonnegative(),
  observations: z.array(observationSchema),
  steps: z.array(stepResultSchema).optional(),
  /** Times that the check measured, such as from a policy's creation until it was enforced. */
  measurements: z.array(z.strictObject({ name: z.string(), ms: z.number().nonnegative() })).optional(),
  /** Folder of evidence, relative to the report folder. */
  evidence: z.string().optional(),
})
export type Outcome = z.infer<typeof outcomeSchema>
