import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { z } from 'zod'
import { cnis } from './cni/all.ts'
import type { CniTraits } from './cni/cni.ts'

/** What the product can set up, so that a definition is refused before anything is created. */

/** By the name of the CNI. */
export const cniTraits: Readonly<Record<string, CniTraits>> = Object.fromEntries(
  Object.entries(cnis).map(([name, { traits }]) => [name, traits]),
)

/** Versions that the image providers can bring. */
export interface SupportedVersions {
  kubernetes: readonly string[]
  /** By the name of the CNI. */
  cni: Readonly<Record<string, readonly string[]>>
}

/** The two tables that begin lock.yaml and say what goes together; clusters/images/lock.ts knows the rest. */
const lockSchema = z.object({
  kubernetes: z.record(z.string(), z.unknown()),
  cni: z.record(z.string(), z.record(z.string(), z.unknown())),
})

/** Reads the versions from clusters/images/lock.yaml. */
export async function readSupportedVersions(): Promise<SupportedVersions> {
  const text = await readFile(join(import.meta.dirname, 'images', 'lock.yaml'), 'utf8')
  // What follows the tables is 20 times as long, and parsing it a third of the time that a refusal takes.
  const [tables = ''] = text.split(/^artefacts:/m)
  const { kubernetes, cni } = lockSchema.parse(load(tables))
  return {
    kubernetes: Object.keys(kubernetes),
    cni: Object.fromEntries(Object.entries(cni).map(([name, versions]) => [name, Object.keys(versions)])),
  }
}
