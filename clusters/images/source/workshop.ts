import { join } from 'node:path'
import pLimit from 'p-limit'
import type { Progress } from '../../../helpers/progress.ts'
import type { Cache, Entry } from '../cache.ts'
import { buildOf, fileOf } from '../lock.ts'
import type { FileArtefact, Lock, Named } from '../lock.ts'
import { provenanceOf } from '../provider.ts'
import type { Provenance, ProviderContext } from '../provider.ts'
import { buildDebian } from './debian.ts'
import { buildFilesLayer, buildTgz } from './folders.ts'
import { buildGoModule, buildGoProgram } from './go-build.ts'
import { buildNpm } from './npm.ts'
import { buildTree } from './tree.ts'

/** Two at once: one downloads or links on one processor while the other compiles on all. */
const compilersAtOnce = 2

/** What every recipe of the `source` provider works with. */
export interface Workshop {
  cache: Cache
  lock: Lock
  progress: Progress
  /** May install missing packages of the host, such as debootstrap. */
  install: boolean
  signal: AbortSignal
  /** Runs a compilation when it is its turn: each of them keeps all processors busy. */
  compile<T>(work: () => Promise<T>): Promise<T>
  /** The result of a build of lock.yaml, made once. */
  build(id: string): Promise<Entry>
  /** Path of `<build>/<file>`. */
  file(ref: string): Promise<string>
}

/** A workshop in which each build of lock.yaml is made at most once. */
export function openWorkshop(context: ProviderContext): Workshop {
  const limit = pLimit(compilersAtOnce)
  const builds = new Map<string, Promise<Entry>>()
  const workshop: Workshop = {
    ...context,
    compile: (work) => limit(work),
    build: (id) => {
      const build = builds.get(id) ?? buildById(id, workshop)
      builds.set(id, build)
      return build
    },
    file: async (ref) => join((await workshop.build(buildOf(ref))).dir, fileOf(ref)),
  }
  return workshop
}

async function buildById(id: string, workshop: Workshop): Promise<Entry> {
  const build = workshop.lock.builds[id]
  switch (build?.recipe) {
    case 'go':
      return await buildGoModule(id, build, workshop)
    case 'go-program':
      return await buildGoProgram(id, build, workshop)
    case 'npm':
      return await buildNpm(id, build, workshop)
    case 'debian':
      return await buildDebian(id, build, workshop)
    case 'tree':
      return await buildTree(id, build, workshop)
    case 'files':
      return await buildFilesLayer(id, build, workshop)
    case 'tgz':
      return await buildTgz(id, build, workshop)
    case undefined:
      throw new Error(`lock.yaml has no build ${id}`)
  }
}

/** A program or text that a build left. */
export interface BuiltFile {
  name: string
  path: string
  provenance: Provenance
}

/** The file of an artefact, built. */
export async function builtFile(
  artefact: Named<FileArtefact>,
  workshop: Workshop,
  name = '',
): Promise<BuiltFile> {
  const entry = await workshop.build(buildOf(artefact.source))
  const sum = entry.files[fileOf(artefact.source)]?.sha256
  const provenance = { ...provenanceOf(artefact), ...origin(entry, sum) }
  return { name, path: await workshop.file(artefact.source), provenance }
}

/** Digest and sources of something built. */
export function origin(
  entry: Entry | undefined,
  digest: string | undefined,
): Pick<Provenance, 'provider' | 'digest' | 'builtFrom'> {
  if (entry === undefined || digest === undefined) throw new Error(`no digest recorded in ${entry?.dir}`)
  const builtFrom = entry.facts['builtFrom']
  return { provider: 'source', digest, ...(builtFrom === undefined ? {} : { builtFrom }) }
}
