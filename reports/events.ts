import { z } from 'zod'
import { coverageSchema } from '../helpers/coverage/coverage.ts'
import { outcomeSchema } from '../helpers/observation.ts'
import {
  abortSchema,
  clusterSchema,
  identitySchema,
  machineSchema,
  parallelSchema,
  phaseSchema,
  plannedCheckSchema,
  provenanceSchema,
  readinessSchema,
  runInfoSchema,
  schemaVersion,
  setupFailureSchema,
  toolSchema,
} from './model.ts'

const at = z.iso.datetime()
/** Name of the leg's cluster. */
const leg = z.string()

/** A line of events.jsonl. run.json is the fold of these lines, so a run that dies has its report all the same. */
export const eventSchema = z.discriminatedUnion('type', [
  z.object({
    at,
    type: z.literal('run-started'),
    schemaVersion: z.literal(schemaVersion),
    tool: toolSchema,
    run: runInfoSchema,
    machine: machineSchema,
    /** All that is meant to happen: what is missing in the end has not run. */
    legs: z.array(z.object({ cluster: clusterSchema, planned: z.array(plannedCheckSchema) })),
  }),
  /** The machine again, now that more is known: the version of a Docker that had to be started first. */
  z.object({ at, type: z.literal('machine'), machine: machineSchema }),
  z.object({ at, type: z.literal('phase-started'), leg, name: z.string().min(1) }),
  z.object({
    at,
    type: z.literal('phase-ended'),
    leg,
    ...phaseSchema.pick({ name: true, ms: true, ok: true, detail: true }).shape,
  }),
  z.object({ at, type: z.literal('leg-identity'), leg, identity: identitySchema }),
  z.object({ at, type: z.literal('provenance'), leg, provenance: z.array(provenanceSchema) }),
  z.object({ at, type: z.literal('coverage'), leg, coverage: coverageSchema }),
  z.object({ at, type: z.literal('readiness'), leg, readiness: readinessSchema }),
  /** A later outcome of the same check takes the place of the earlier one: with its evidence, for example. */
  z.object({ at, type: z.literal('outcome'), leg, outcome: outcomeSchema }),
  z.object({ at, type: z.literal('setup-failed'), leg, failure: setupFailureSchema }),
  /** The checks of the leg are done. A leg without this when the run is aborted was cut short. */
  z.object({ at, type: z.literal('leg-ended'), leg }),
  /** Of the whole run, or of one leg of a matrix, whose legs are processes of their own. */
  z.object({ at, type: z.literal('aborted'), leg: leg.optional(), by: abortSchema }),
  z.object({ at, type: z.literal('parallel'), parallel: parallelSchema }),
  z.object({ at, type: z.literal('run-ended') }),
])
export type RunEvent = z.infer<typeof eventSchema>

type WithoutTime<Event> = Event extends unknown ? Omit<Event, 'at'> & { at?: string } : never
/** An event before its time is put on it; one that has a time comes from another journal. */
export type NewEvent = WithoutTime<RunEvent>
