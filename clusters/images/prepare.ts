import { mkdir, readFile, readdir, rename, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { UsageError } from '../../helpers/errors.ts'
import type { Progress } from '../../helpers/progress.ts'
import { openCache } from './cache.ts'
import { imageInDaemon } from './daemon-image.ts'
import { deriveNodeImage, type ImageFile } from './derive.ts'
import { imageId } from './docker.ts'
import { parseLock, readLockText, select } from './lock.ts'
import type { Lock, Selection } from './lock.ts'
import { provenanceSchema } from './provider.ts'
import type { Parts, Provenance, ProviderContext, ProviderName } from './provider.ts'
import { archiveIdentity, fromArchive, saveParts } from './provider-archive.ts'
import type { SavedArchive } from './provider-archive.ts'
import { fromRegistry, registriesAnswer } from './provider-registry.ts'
import { fromSource } from './provider-source.ts'
import { parseMirror } from './references.ts'
import { sha256File, shortHash } from './tools.ts'

/** Where images come from; `auto` takes the registry where it answers, else the source. */
export type ImageProviderChoice =
  | { kind: 'auto'; mirror?: string }
  | { kind: 'archive'; dir: string }
  | { kind: 'registry'; mirror?: string }
  | { kind: 'source' }

/** What a run needs images for; versions as in lock.yaml: `v1.37.0`. */
export interface ImageRequest {
  kubernetes: string
  cni: { name: string; version: string }
}

/** Everything that starting a cluster needs. */
export interface PreparedImages {
  provider: ProviderName
  /** Path. */
  kindBinary: string
  /** Derived image in the Docker daemon, for `kind create cluster --image`. */
  nodeImage: string
  /** File name -> path. */
  manifests: Record<string, string>
  /** References for pods. */
  fixtureImages: { node: string; agnhost: string }
  /** In the Docker daemon: the fixtures' Node.js, for a server outside the cluster. */
  outsideImage: string
  provenance: Provenance[]
}

/** How {@link prepareImages} works. */
export interface PrepareOptions {
  provider: ImageProviderChoice
  progress: Progress
  cacheDir: string
  /** Path of the stand-in for runc, when the host lacks CAP_SYS_RESOURCE. */
  shim?: string
  /** False with --no-install: nothing may be installed on the host. */
  install: boolean
  signal?: AbortSignal
}

/** Where everything lies that can be made again: safe to delete at any time. */
export function defaultCacheDir(): string {
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cni-conformance')
}

/**
 * Understands `--images` and `--registry-mirror`.
 *
 * @throws {UsageError} with every problem found
 */
export function parseImagesFlag(text: string | undefined, mirror: string | undefined): ImageProviderChoice {
  parseMirror(mirror)
  const withMirror = mirror === undefined ? {} : { mirror }
  if (text === undefined || text === 'auto') return { kind: 'auto', ...withMirror }
  if (text === 'registry') return { kind: 'registry', ...withMirror }
  const problems: string[] = []
  const [kind, ...rest] = text.split(':')
  const dir = rest.join(':')
  if (kind !== 'archive' && text !== 'source')
    problems.push(`--images ${text}: must be auto, registry, source or archive:DIR`)
  if (kind === 'archive' && dir === '')
    problems.push('--images archive: needs the folder that `images save DIR` wrote: archive:DIR')
  if (mirror !== undefined) problems.push(`--registry-mirror has no meaning with --images ${text}`)
  if (problems.length > 0) throw new UsageError(problems)
  return kind === 'archive' ? { kind, dir: resolve(dir) } : { kind: 'source' }
}

/**
 * Makes the node image with everything inside, the kind binary and the manifests of a run available on this machine.
 * A second call with the same inputs asks Docker one question and returns.
 *
 * @throws {UsageError} for a Kubernetes or CNI version without images
 * @throws {SetupError} when something can't be fetched, built or stored
 */
export async function prepareImages(request: ImageRequest, options: PrepareOptions): Promise<PreparedImages> {
  const lockText = await readLockText()
  const record = join(options.cacheDir, 'prepared', `${await preparedKey(request, lockText, options)}.json`)
  const ready = await readPrepared(record, options.signal)
  // Before the lock is even understood: this is the way of every run but the first.
  if (ready !== undefined) return ready
  const lock = parseLock(lockText)
  const selection = select(lock, request)
  return await inContext(lock, options, async (context) => {
    const parts = await provide(selection, options.provider, context)
    const nodeImage = await context.progress.step('put images into the node image', (step) =>
      deriveNodeImage({ ...parts, base: parts.nodeBase, shim: options.shim }, { ...context, step }),
    )
    const outsideImage = await context.progress.step('load the image of the server outside', () =>
      imageInDaemon(imageNamed(parts, selection.fixtures.node.upstream), context),
    )
    const prepared = preparedFrom(parts, selection, { nodeImage, outsideImage })
    await writePrepared(record, prepared)
    return prepared
  })
}

/**
 * Writes everything for a run into a folder, for `--images archive:DIR` on a machine without any network. Several runs
 * may share a folder.
 *
 * @throws {SetupError} when something can't be had or written
 */
export async function saveImages(
  request: ImageRequest,
  dir: string,
  options: Omit<PrepareOptions, 'shim'>,
): Promise<SavedArchive> {
  const lock = parseLock(await readLockText())
  const selection = select(lock, request)
  return await inContext(lock, options, async (context) =>
    saveParts(request, await provide(selection, options.provider, context), resolve(dir), context),
  )
}

/** Opens the cache for `work`. When one part fails, all others are stopped and gone before the failure is told. */
async function inContext<T>(
  lock: Lock,
  options: Omit<PrepareOptions, 'shim'>,
  work: (context: ProviderContext) => Promise<T>,
): Promise<T> {
  const { cacheDir, progress, install } = options
  const failed = new AbortController()
  const signals = options.signal === undefined ? [] : [options.signal]
  const signal = AbortSignal.any([failed.signal, ...signals])
  const cache = await openCache(cacheDir, progress, signal)
  try {
    return await work({ lock, cache, progress, install, signal })
  } catch (error) {
    failed.abort()
    await cache.idle()
    throw error
  }
}

/** Everything that goes into the answer, cheap to compute: the recipes, the request, the choice and the shim. */
async function preparedKey(
  request: ImageRequest,
  lockText: string,
  options: PrepareOptions,
): Promise<string> {
  const { provider, shim } = options
  const archive = provider.kind === 'archive' ? await archiveIdentity(provider.dir, request) : undefined
  const shimSum = shim === undefined ? '' : await sha256File(shim)
  return shortHash([request, lockText, await ownCode(), provider, archive, process.arch, shimSum])
}

/** Sums of everything in this folder that images are made with. */
async function ownCode(): Promise<string[]> {
  const names = await readdir(import.meta.dirname, { recursive: true })
  const code = names.filter((name) => /\.(ts|go)$/.test(name) && !name.endsWith('.test.ts'))
  return await Promise.all(
    code.toSorted((a, b) => a.localeCompare(b)).map((name) => sha256File(join(import.meta.dirname, name))),
  )
}

/** The parts of a run from the chosen provider; `auto` chooses here. */
async function provide(
  selection: Selection,
  choice: ImageProviderChoice,
  context: ProviderContext,
): Promise<Parts> {
  switch (choice.kind) {
    case 'archive':
      return await fromArchive(selection, choice.dir, context)
    case 'registry':
      return await fromRegistry(selection, parseMirror(choice.mirror), context)
    case 'source':
      return await fromSource(selection, context)
    case 'auto': {
      const mirror = parseMirror(choice.mirror)
      const silent = await registriesAnswer(selection, mirror, context.signal)
      if (silent === undefined) return await fromRegistry(selection, mirror, context)
      context.progress.note(`${silent}; building images from source (--images chooses)`)
      return await fromSource(selection, context)
    }
  }
}

function imageNamed({ images }: Parts, upstream: string): ImageFile {
  const found = images.find((image) => image.upstream === upstream)
  if (found === undefined) throw new Error(`the image provider brought no ${upstream}`)
  return found
}

function preparedFrom(
  parts: Parts,
  selection: Selection,
  inDaemon: Pick<PreparedImages, 'nodeImage' | 'outsideImage'>,
): PreparedImages {
  const { provider, kindBinary, manifests, provenance } = parts
  const { node, agnhost } = selection.fixtures
  return {
    provider,
    kindBinary,
    ...inDaemon,
    manifests,
    fixtureImages: { node: node.upstream, agnhost: agnhost.upstream },
    provenance,
  }
}

const recordSchema = z.strictObject({
  prepared: z.strictObject({
    provider: z.enum(['archive', 'registry', 'source']),
    kindBinary: z.string(),
    nodeImage: z.string(),
    manifests: z.record(z.string(), z.string()),
    fixtureImages: z.strictObject({ node: z.string(), agnhost: z.string() }),
    outsideImage: z.string(),
    provenance: z.array(provenanceSchema),
  }),
  /** Of the images in the daemon: a tag can be moved. */
  imageIds: z.record(z.string(), z.string()),
  /** Path -> sha256 of the files beside the image. */
  files: z.record(z.string(), z.string()),
})

/** The remembered answer, if everything that it names is still there and unchanged. */
async function readPrepared(
  path: string,
  signal: AbortSignal | undefined,
): Promise<PreparedImages | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const parsed = recordSchema.safeParse(jsonOrUndefined(text))
  if (!parsed.success) return undefined
  const { prepared, files, imageIds } = parsed.data
  const same = await Promise.all([
    ...Object.entries(imageIds).map(async ([ref, id]) => (await imageId(ref, signal)) === id),
    ...Object.entries(files).map(async ([file, sum]) => (await sha256File(file).catch(() => '')) === sum),
  ])
  return same.every(Boolean) ? prepared : undefined
}

async function writePrepared(path: string, prepared: PreparedImages): Promise<void> {
  const paths = [prepared.kindBinary, ...Object.values(prepared.manifests)]
  const record: z.infer<typeof recordSchema> = {
    prepared,
    imageIds: Object.fromEntries(
      await Promise.all(
        [prepared.nodeImage, prepared.outsideImage].map(
          async (ref) => [ref, (await imageId(ref)) ?? ''] as const,
        ),
      ),
    ),
    files: Object.fromEntries(
      await Promise.all(paths.map(async (file) => [file, await sha256File(file)] as const)),
    ),
  }
  await mkdir(join(path, '..'), { recursive: true })
  const half = `${path}.${process.pid}`
  await writeFile(half, JSON.stringify(record, undefined, 1))
  await rename(half, path)
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
