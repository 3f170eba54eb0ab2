import { chmod, copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { budgets } from '../../helpers/budgets.ts'
import { SetupError } from '../../helpers/errors.ts'
import { blobPath, openBlobs, readIndex, verifyBlobs, writeIndex } from './archive.ts'
import type { ArchiveContent, ArchiveRequest } from './archive.ts'
import type { Entry } from './cache.ts'
import { loadImage } from './docker.ts'
import { withFileLock } from './file-lock.ts'
import type { Selection } from './lock.ts'
import type { Parts, ProviderContext } from './provider.ts'
import { explained, runStep, sha256, shortHash } from './tools.ts'

/** What tells one content of an archive from another: part of the key of what is made from it. */
export async function archiveIdentity(dir: string, request: ArchiveRequest): Promise<string> {
  return sha256(JSON.stringify(await readIndex(dir, request)))
}

/** Everything from a folder that `images save` wrote: no network, nothing built. Every byte is checked first. */
export async function fromArchive(
  selection: Selection,
  dir: string,
  context: ProviderContext,
): Promise<Parts> {
  return await context.progress.step(`load images from ${dir}`, async (step) => {
    const content = await readIndex(dir, selection)
    if (content.arch !== process.arch) {
      throw new SetupError({
        what: `the archive ${dir} was saved for ${content.arch}, this machine is ${process.arch}`,
        next: 'save it on a machine of the same architecture',
      })
    }
    await verifyBlobs(dir, content, (path) => step.update(`checking ${path}`))
    step.update('loading the node image into Docker')
    await loadImage(content.node.ref, blobPath(dir, content.node.blob), context.signal)
    const files = await copyFiles(dir, content, context)
    return {
      provider: 'archive',
      kindBinary: join(files.dir, 'kind'),
      nodeBase: content.node.ref,
      images: content.images.map(({ blob, ...image }) => ({
        ...image,
        file: blobPath(dir, blob),
        sha256: `sha256:${blob}`,
      })),
      nodeFiles: pathsIn(files.dir, Object.keys(content.nodeFiles), nodeFileName),
      manifests: pathsIn(files.dir, Object.keys(content.manifests), (name) => name),
      provenance: content.provenance.map((part) => ({ ...part, provider: 'archive' })),
    }
  })
}

/** Programs and manifests move into the cache: the archive may lie on a medium that is taken out or can't execute. */
async function copyFiles(dir: string, content: ArchiveContent, context: ProviderContext): Promise<Entry> {
  const { kind, nodeFiles, manifests } = content
  return await context.cache.entry({
    name: 'archive-files',
    inputs: [kind, nodeFiles, manifests],
    title: 'copy programs from the archive',
    make: async (target) => {
      const named = { kind, ...manifests, ...mapKeys(nodeFiles, nodeFileName) }
      for (const [name, blob] of Object.entries(named)) {
        await copyFile(blobPath(dir, blob), join(target, name))
        await chmod(join(target, name), 0o755)
      }
      return undefined
    },
  })
}

/** `/opt/cni/bin/bridge` -> `opt-cni-bin-bridge`. */
function nodeFileName(path: string): string {
  return path.slice(1).replaceAll('/', '-')
}

function mapKeys<V>(record: Record<string, V>, change: (key: string) => string): Record<string, V> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [change(key), value]))
}

function pathsIn(
  dir: string,
  names: readonly string[],
  fileName: (name: string) => string,
): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, join(dir, fileName(name))]))
}

/** What {@link saveParts} wrote. */
export interface SavedArchive {
  /** Path of the run's index file. */
  index: string
  /** Number of files beside it, and their size together. */
  files: number
  bytes: number
}

/** Writes everything of a run into a folder, beside what it holds of other runs. Each file is whole or absent at any time. */
export async function saveParts(
  request: ArchiveRequest,
  parts: Parts,
  dir: string,
  context: ProviderContext,
): Promise<SavedArchive> {
  return await context.progress.step(`save images to ${dir}`, async (step) => {
    // One writer per folder: the next one removes what a killed one left.
    const lock = join(context.cache.dir, 'locks', `save-${shortHash(dir)}`)
    const onWait = (): void => step.update('waiting for another process that writes the same folder')
    const options = { onWait, signal: context.signal }
    const write = async (): Promise<SavedArchive> => await writeParts(request, parts, dir, context)
    return await withFileLock(lock, write, options).catch((error: unknown) => {
      context.signal?.throwIfAborted()
      throw explained(
        error,
        `save images to ${dir}`,
        'run the same command again; finished files are overwritten',
      )
    })
  })
}

async function writeParts(
  request: ArchiveRequest,
  parts: Parts,
  dir: string,
  context: ProviderContext,
): Promise<SavedArchive> {
  const blobs = await openBlobs(dir)
  const node = await blobs.create(async (path) => {
    await runStep(['docker', 'save', '--output', path, parts.nodeBase], {
      what: `save the node image to ${dir}`,
      next: 'check that `docker info` works and that the disk has 1 GB free',
      budget: budgets.dockerImageMs,
      signal: context.signal,
    })
  })
  const addAll = async (files: Record<string, string>): Promise<Record<string, string>> => {
    const added = Object.entries(files).map(async ([name, file]) => [name, await blobs.add(file)] as const)
    return Object.fromEntries(await Promise.all(added))
  }
  const images = await Promise.all(
    parts.images.map(async ({ file, nameInFile, upstream }) => ({
      blob: await blobs.add(file),
      nameInFile,
      upstream,
    })),
  )
  const content: ArchiveContent = {
    arch: process.arch,
    kind: await blobs.add(parts.kindBinary),
    node: { blob: node, ref: parts.nodeBase },
    images,
    nodeFiles: await addAll(parts.nodeFiles),
    manifests: await addAll(parts.manifests),
    provenance: parts.provenance,
    sizes: blobs.sizes,
  }
  const sizes = Object.values(blobs.sizes)
  return {
    index: await writeIndex(dir, request, content),
    files: sizes.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
  }
}
