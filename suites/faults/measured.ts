import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { LegHandle } from '../../helpers/leg-handle.ts'
import type { Detection } from './detect.ts'

/**
 * The measured detection matrix: what each fault did on each cluster, one file per cluster, kept in the repository.
 * Written by `npm run test:detection`, row by row and only where a row was exact; docs/detection.md is made from it.
 */

const rowSchema = z.strictObject({
  /** Day of the measurement, UTC. */
  on: z.iso.date(),
  /** Ids of the checks that failed. */
  failed: z.array(z.string()),
  /** Ids of the checks that could say nothing. */
  notRun: z.array(z.string()),
  /** How many passed, or ended as the cluster file declares. */
  green: z.int(),
  /** How many the cluster does not support. */
  unsupported: z.int(),
  /** Milliseconds from healing until the paths answered again. */
  healedMs: z.number(),
})

const measuredSchema = z.strictObject({
  cluster: z.string(),
  cni: z.string(),
  encapsulation: z.string(),
  kubeProxy: z.string(),
  /** By the id of the fault. */
  rows: z.record(z.string(), rowSchema),
})

/** What was measured on one cluster. */
export type Measured = z.infer<typeof measuredSchema>

/** Where the files are kept, from the root of the project. */
export const measuredFolder = 'docs/detection'

/** Adds one exact row to the file of its cluster, or takes the place of an older one. */
export async function recordRow(
  folder: string,
  { cluster, handle: { cni, kubeProxy } }: { cluster: string; handle: LegHandle },
  { fault, outcomes, healedMs }: Detection,
): Promise<void> {
  await mkdir(folder, { recursive: true })
  const file = join(folder, `${cluster}.json`)
  const ended = (...kinds: string[]): string[] =>
    outcomes.filter(({ outcome }) => kinds.includes(outcome)).map(({ check }) => check)
  const rows = {
    ...(existsSync(file) ? parseMeasured(await readFile(file, 'utf8')).rows : {}),
    [fault]: {
      on: new Date().toISOString().slice(0, 10),
      failed: ended('failed'),
      notRun: ended('not-run'),
      green: ended('passed', 'expected').length,
      unsupported: ended('unsupported').length,
      healedMs: Math.round(healedMs),
    },
  }
  const measured: Measured = {
    cluster,
    cni: `${cni.name} ${cni.version}`,
    encapsulation: cni.encapsulation,
    kubeProxy,
    rows: Object.fromEntries(Object.entries(rows).toSorted(([a], [b]) => a.localeCompare(b))),
  }
  await writeFile(file, `${JSON.stringify(measured, undefined, 2)}\n`)
}

/**
 * Understands the text of one file.
 *
 * @throws {z.ZodError} when it is not one of ours
 */
export function parseMeasured(text: string): Measured {
  return measuredSchema.parse(JSON.parse(text))
}
