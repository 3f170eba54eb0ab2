import { z } from 'zod'
import { verdictSchema } from './check-probes.ts'
import { levelSchema, rungs } from './check.ts'

/** What probes saw, and what checks came to: the part of a report that comes from the cluster. */

/** What a check can end in. Every report carries it with its reason. */
export const outcomeKindSchema = z.enum(['passed', 'failed', 'unsupported', 'expected', 'not-run'])
export type OutcomeKind = z.infer<typeof outcomeKindSchema>

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
  /** Nothing is known, and only because an agent could not run. */
  starved: z.literal(true).optional(),
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
  /** A check of the user's; absent for those of the product, which faults have turned red. */
  own: z.literal(true).optional(),
  outcome: outcomeKindSchema,
  /** Why it is not simply `passed`. */
  reason: z.string().optional(),
  /** Milliseconds from the first probe of the check to its last answer. */
  durationMs: z.number().nonnegative(),
  observations: z.array(observationSchema),
  steps: z.array(stepResultSchema).optional(),
  /** Times that the check measured, such as from a policy's creation until it was enforced. */
  measurements: z.array(z.strictObject({ name: z.string(), ms: z.number().nonnegative() })).optional(),
  /** Where its packets were seen last when it was asked once more: what captures at both ends say, in one line. */
  packets: z.string().optional(),
  /** Folder of evidence, relative to the report folder. */
  evidence: z.string().optional(),
})
export type Outcome = z.infer<typeof outcomeSchema>
