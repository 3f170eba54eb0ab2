import { z } from 'zod'
import { levelSchema } from '../helpers/check.ts'
import { outcomeKindSchema } from '../helpers/observation.ts'
import { toolSchema } from './model.ts'

/** What `gate -o json` prints. Fields are added, never changed, until {@link gateSchemaVersion} is raised. */
export const gateSchemaVersion = 1

/**
 * What became of a check from one run to the next. The set is closed, and each pair of outcomes is in exactly one:
 *
 * | before \ after | passed          | failed      | expected | unsupported       | not run   | not there |
 * | -------------- | --------------- | ----------- | -------- | ----------------- | --------- | --------- |
 * | passed         | same            | regressed   | excused  | newly-unsupported | lost      | lost      |
 * | expected       | fixed           | regressed   | same     | newly-unsupported | lost      | lost      |
 * | failed         | fixed           | same        | excused  | newly-unsupported | lost      | lost      |
 * | unsupported    | newly-supported | new-failure | excused  | same              | undecided | dropped   |
 * | not run        | new             | new-failure | new      | new               | same      | dropped   |
 * | not there      | new             | new-failure | new      | new               | undecided |           |
 *
 * Two more for a check that passed both times: `weakened`, when the later run asked less of it or made it less than
 * core, and `slower`, when that is looked at.
 */
export const changeKinds = [
  'regressed',
  'new-failure',
  'lost',
  'newly-unsupported',
  'slower',
  'undecided',
  'excused',
  'weakened',
  'dropped',
  'fixed',
  'newly-supported',
  'new',
  'same',
] as const
const changeKindSchema = z.enum(changeKinds)
export type ChangeKind = z.infer<typeof changeKindSchema>

/** What a change does to the gate: it fails it, leaves it undecided, is to be read, or is nothing to stop at. */
export const effects = ['red', 'open', 'loud', 'quiet'] as const
const effectSchema = z.enum(effects)
export type Effect = z.infer<typeof effectSchema>

const milliseconds = z.number().nonnegative()

const changeSchema = z.object({
  check: z.string(),
  level: levelSchema,
  change: changeKindSchema,
  effect: effectSchema,
  /** Absent where the run does not have the check. */
  before: outcomeKindSchema.optional(),
  after: outcomeKindSchema.optional(),
  /** Why, in the words of the later run where it has any. */
  reason: z.string().optional(),
  /** Medians of the round trips; only of a check that passed both times. */
  latency: z.object({ beforeMs: milliseconds, afterMs: milliseconds }).optional(),
})
export type Change = z.infer<typeof changeSchema>

/** Something that is not the same in both runs and is no outcome: a version, a kernel. */
const differenceSchema = z.object({ what: z.string(), before: z.string(), after: z.string() })
export type Difference = z.infer<typeof differenceSchema>

const comparedLegSchema = z.object({
  name: z.string(),
  /** In which of the runs the leg is. */
  in: z.enum(['both', 'before', 'after']),
  differences: z.array(differenceSchema),
  /** Why the leg of one run says nothing, or not everything, about its network. */
  open: z.array(z.string()),
  /** Every check of both runs, the worst change first. */
  changes: z.array(changeSchema),
})
export type ComparedLeg = z.infer<typeof comparedLegSchema>

const sideSchema = z.object({
  /** As the user named it. */
  file: z.string(),
  run: z.string(),
  startedAt: z.iso.datetime(),
  tool: toolSchema,
  partial: z.boolean(),
  filter: z.string().optional(),
  /** The verdict of the run itself. */
  verdict: z.string(),
})
export type Side = z.infer<typeof sideSchema>

export const gateSchema = z.object({
  schemaVersion: z.literal(gateSchemaVersion),
  before: sideSchema,
  after: sideSchema,
  /** Of the machine and the tool. */
  differences: z.array(differenceSchema),
  legs: z.array(comparedLegSchema),
  /** Absent where latency was not looked at. */
  latency: z
    .object({
      /** A check is slower when its median is more than so many times what it was, */
      maxSlowdown: z.number().positive(),
      /** and also so much longer: below that lies what two runs of one cluster differ by. */
      noiseFloorMs: milliseconds,
    })
    .optional(),
  counts: z.record(changeKindSchema, z.int().nonnegative()),
  verdict: z.object({
    exitCode: z.union([z.literal(0), z.literal(1), z.literal(3)]),
    /** One sentence without a trailing full stop. */
    text: z.string(),
  }),
})
/** Content of `gate -o json`. */
export type Gate = z.infer<typeof gateSchema>
