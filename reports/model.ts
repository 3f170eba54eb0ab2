import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { levelSchema, rungs } from '../helpers/check.ts'
import { coverageSchema } from '../helpers/coverage/coverage.ts'
import { outcomeSchema } from '../helpers/observation.ts'
import { UsageError, messageOf } from '../helpers/errors.ts'
import { profileSchema } from '../helpers/profiles.ts'
import { printable } from '../helpers/shown.ts'

/**
 * run.json: everything that was found, and all that any report is made from. Fields that a reader does not know are
 * ignored, so that a later version can add some; {@link schemaVersion} is raised when an old one changes its meaning.
 */
export const schemaVersion = 1

/** Time of day: ISO 8601 in UTC. */
const time = z.iso.datetime()
const milliseconds = z.number().nonnegative()
const sha256 = z.string().describe('Hexadecimal.')

/** The cluster of a leg: what was declared, and the hashes that say whether two runs are comparable. */
export const clusterSchema = z.object({
  name: z.string().min(1),
  /** The definition as it was read, defaults filled in. What reports need of it is named; the rest is kept. */
  definition: z.looseObject({
    kubernetes: z.string(),
    network: z.looseObject({ ipFamily: z.string(), kubeProxy: z.string() }),
    cni: z.looseObject({ name: z.string(), version: z.string() }),
    features: z.array(z.string()),
  }),
  /** The definition's file as the user named it. */
  file: z.string(),
  /** The cluster stood already: how it was reached. */
  given: z.object({ context: z.string(), server: z.string() }).optional(),
  sha256,
  /** Over the checks that were planned. */
  checksSha256: sha256,
})
export type Cluster = z.infer<typeof clusterSchema>

/** What the cluster really is, as far as it was known when the leg ended. */
export const identitySchema = z.object({
  kubernetes: z.string().optional(),
  cni: z
    .object({
      name: z.string(),
      version: z.string(),
      encapsulation: z.string().optional(),
      /** iptables, nftables, eBPF. */
      dataPlane: z.string().optional(),
    })
    .optional(),
  kubeProxy: z.string().optional(),
  /** Of the pods' interface, in bytes. */
  mtu: z.int().positive().optional(),
  kernel: z.string().optional(),
  containerRuntime: z.string().optional(),
  nodes: z
    .array(
      z.object({
        name: z.string(),
        role: z.string(),
        address: z.string().optional(),
        podCIDR: z.string().optional(),
      }),
    )
    .default([]),
})
export type Identity = z.infer<typeof identitySchema>

/** Where one artefact of the cluster came from. */
export const provenanceSchema = z.object({
  artefact: z.string(),
  kind: z.enum(['image', 'binary', 'manifest']),
  version: z.string(),
  /** Upstream reference or address. */
  upstream: z.string(),
  /** registry, archive, source or host. */
  provider: z.string(),
  /** `sha256:…` of what was used. */
  digest: z.string(),
  /** Of `source`: the modules and packages that it was built from. */
  builtFrom: z.string().optional(),
})
export type Provenance = z.infer<typeof provenanceSchema>

/** One stretch of a leg: images, create, cni, fixtures, traffic, checks, evidence, delete. */
export const phaseSchema = z.object({
  name: z.string().min(1),
  startedAt: time,
  ms: milliseconds,
  ok: z.boolean(),
  detail: z.string().optional(),
})
export type Phase = z.infer<typeof phaseSchema>

/** How long the paths took to answer before the first check. */
export const readinessSchema = z.object({
  rounds: z.int().nonnegative(),
  ms: milliseconds,
  /** False when it stood still with some paths broken. */
  converged: z.boolean().optional(),
})

/** Why there is no verdict about the network. Fields of a SetupError, and the phase that it ended. */
export const setupFailureSchema = z.object({
  phase: z.string(),
  what: z.string(),
  seen: z.string().optional(),
  next: z.string(),
})
export type SetupFailure = z.infer<typeof setupFailureSchema>

export const abortSchema = z.enum(['SIGINT', 'SIGTERM', 'timeout'])
export type Abort = z.infer<typeof abortSchema>

/** The likely layer of what is broken, and why it is thought so. */
const diagnosisSchema = z.object({
  rung: z.enum(rungs),
  text: z.string(),
  because: z.array(z.string()),
})
export type Diagnosis = z.infer<typeof diagnosisSchema>

/** The machine that the run was started on. */
export const machineSchema = z.object({
  os: z.string(),
  kernel: z.string(),
  cpus: z.int().positive(),
  memoryMiB: z.number().nonnegative(),
  dockerVersion: z.string().optional(),
  /** v1, hybrid or v2. */
  cgroup: z.string(),
  arch: z.string(),
  /** Version of Node.js. */
  node: z.string(),
})
export type Machine = z.infer<typeof machineSchema>

export const toolSchema = z.object({ name: z.string(), version: z.string() })

export const runInfoSchema = z.object({
  id: z.string().min(1),
  startedAt: time,
  /** How much was asked; not known of runs that older versions made. */
  profile: profileSchema.optional(),
  /** The user chose among the checks: not a whole run, and no input for a gate. */
  partial: z.boolean(),
  /** How the user chose, as typed. */
  filter: z.string().optional(),
})

/** What the legs of a matrix were given side by side, and what they took. */
export const parallelSchema = z.object({
  /** Legs at once, at most. */
  jobs: z.int().positive(),
  /** Memory that so many legs may take, computed before the first one began. */
  budgetMiB: z.number().nonnegative(),
  /** Most memory that the legs took at one time, nodes and processes; absent where it could not be measured. */
  peakMiB: z.number().nonnegative().optional(),
})
export type Parallel = z.infer<typeof parallelSchema>

/** The run that a leg of a merged run comes from: what the merged run, which has one of each, cannot say for it. */
const originSchema = z.object({
  run: runInfoSchema.extend({ endedAt: time }),
  machine: machineSchema,
  /** Of the matrix that it comes from, if it does. */
  parallel: parallelSchema.optional(),
  /** Folder of its own reports, relative to those of the merged run. */
  folder: z.string(),
})
export type Origin = z.infer<typeof originSchema>

const legSchema = z.object({
  cluster: clusterSchema,
  identity: identitySchema,
  provenance: z.array(provenanceSchema),
  phases: z.array(phaseSchema),
  readiness: readinessSchema.optional(),
  coverage: coverageSchema.optional(),
  setupFailure: setupFailureSchema.optional(),
  outcomes: z.array(outcomeSchema),
  diagnosis: diagnosisSchema.optional(),
  abortedBy: abortSchema.optional(),
  origin: originSchema.optional(),
})
/** One cluster of a run. */
export type Leg = z.infer<typeof legSchema>

const runVerdictSchema = z.object({
  /** Exit code of the command, see helpers/errors.ts. */
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(3), z.literal(130), z.literal(143)]),
  /** One sentence without a trailing full stop. */
  text: z.string(),
})
export type RunVerdict = z.infer<typeof runVerdictSchema>

const runSchema = z.object({
  schemaVersion: z.literal(schemaVersion),
  tool: toolSchema,
  run: runInfoSchema.extend({ endedAt: time }),
  legs: z.array(legSchema),
  /** Of a merged run: the machine of its first leg; each leg has its own in `origin`. */
  machine: machineSchema,
  parallel: parallelSchema.optional(),
  verdict: runVerdictSchema,
})
/** Content of run.json. */
export type Run = z.infer<typeof runSchema>

/** A check as the plan knows it, before there is an outcome. */
export const plannedCheckSchema = z.object({
  check: z.string(),
  level: levelSchema,
  covers: z.array(z.string()),
  requirement: z.string(),
  rung: z.enum(rungs).optional(),
  features: z.array(z.string()).optional(),
  own: z.literal(true).optional(),
})
export type PlannedCheck = z.infer<typeof plannedCheckSchema>

/**
 * Reads and validates a run.json.
 *
 * @throws {UsageError} with every problem at once, as `file: path: message`
 */
export async function readRun(path: string): Promise<Run> {
  let value: unknown
  try {
    value = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    // The message may repeat a piece of the file.
    throw new UsageError(printable(`${path}: not a run.json: ${messageOf(error)}`))
  }
  return parseRun(path, value)
}

/**
 * A run out of the value that a run.json holds.
 *
 * @param where as messages name it
 * @throws {UsageError} like {@link readRun}
 */
export function parseRun(where: string, value: unknown): Run {
  refuseOtherVersions(where, value)
  const parsed = runSchema.safeParse(value)
  if (!parsed.success) throw new UsageError(problemsOf(where, parsed.error))
  return parsed.data
}

/** @throws {UsageError} when the value was written under another schema version */
export function refuseOtherVersions(where: string, value: unknown): void {
  const found = (value as { schemaVersion?: unknown } | null)?.schemaVersion
  if (found === schemaVersion) return
  const said =
    found === undefined ? 'there is none, so this is not a report of ours' : `it is ${JSON.stringify(found)}`
  throw new UsageError(
    `${where}: schemaVersion: this version of cni-conformance reads ${schemaVersion}; ${said}`,
  )
}

/** Problems of one file that are told. */
const maxProblems = 50

/** The problems of a value in a file, one line each: `file: path: message`. */
export function problemsOf(where: string, error: z.ZodError): string[] {
  const lines = error.issues.slice(0, maxProblems).map(({ path, message }) => {
    const at = path.length === 0 ? '' : `${z.core.toDotPath(path)}: `
    // Names of unknown fields come from the file.
    return printable(`${where}: ${at}${message}`)
  })
  const rest = error.issues.length - lines.length
  return rest === 0 ? lines : [...lines, `${where}: and ${rest} more`]
}
