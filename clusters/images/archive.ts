import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { SetupError, messageOf } from '../../helpers/errors.ts'
import { provenanceSchema } from './provider.ts'
import { sha256, sha256File } from './tools.ts'

/** sha256 of a file: its name in `blobs/`. */
const blob = z.string().regex(/^[0-9a-f]{64}$/)

const contentSchema = z.strictObject({
  arch: z.string(),
  kind: blob,
  node: z.strictObject({ blob, ref: z.string() }),
  images: z.array(z.strictObject({ blob, nameInFile: z.string(), upstream: z.string() })),
  nodeFiles: z.record(z.string(), blob),
  manifests: z.record(z.string(), blob),
  /** As it was when saved; the provider becomes `archive` when it is used. */
  provenance: z.array(provenanceSchema),
  /** Bytes of each blob. */
  sizes: z.record(blob, z.number()),
})

const indexSchema = z.strictObject({
  format: z.literal('cni-conformance/images/v1'),
  /** Of `content` as compact JSON. */
  sha256: z.string(),
  content: contentSchema,
})

/** What one saved run consists of. */
export type ArchiveContent = z.infer<typeof contentSchema>

/** A run of one Kubernetes and one CNI version is one index file; runs share their blobs. */
export interface ArchiveRequest {
  kubernetes: string
  cni: { name: string; version: string }
}

const again = 'write the archive again with `images save`, and compare with `sha256sum` after copying'

/** Name of the index of that run. */
export function indexName(request: ArchiveRequest): string {
  return `kubernetes-${request.kubernetes}-${request.cni.name}-${request.cni.version}.json`
}

/** Path of a blob. */
export function blobPath(dir: string, name: string): string {
  return join(dir, 'blobs', name)
}

/**
 * The index of a run.
 *
 * @throws {SetupError} when the folder is no archive, doesn't hold that run, or its index is damaged
 */
export async function readIndex(dir: string, request: ArchiveRequest): Promise<ArchiveContent> {
  const path = join(dir, indexName(request))
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const there = (await readdir(dir).catch(() => [])).filter((name) => /^kubernetes-.*\.json$/.test(name))
    throw new SetupError({
      what: `the archive ${dir} holds no images for Kubernetes ${request.kubernetes} with ${request.cni.name} ${request.cni.version}`,
      seen: there.length === 0 ? messageOf(cause) : `it holds ${there.join(', ')}`,
      next: `run \`images save ${dir}\` on a machine that has a network or the images`,
      cause,
    })
  }
  const parsed = indexSchema.safeParse(jsonOrUndefined(text))
  if (parsed.success && parsed.data.sha256 === sha256(JSON.stringify(parsed.data.content)))
    return parsed.data.content
  throw new SetupError({
    what: `${path} is damaged`,
    seen: 'its content does not match its checksum',
    next: again,
  })
}

/**
 * Checks every byte of a run's parts.
 *
 * @throws {SetupError} naming the first file that is missing, short or changed
 */
export async function verifyBlobs(
  dir: string,
  content: ArchiveContent,
  onFile: (path: string) => void,
): Promise<void> {
  for (const [name, size] of Object.entries(content.sizes)) {
    const path = blobPath(dir, name)
    onFile(path)
    const found = await stat(path).catch(() => undefined)
    if (found === undefined) throw new SetupError({ what: `the archive ${dir} lacks ${path}`, next: again })
    // The size first: it tells a copy that was cut off without reading it.
    if (found.size !== size)
      throw new SetupError({
        what: `${path} is damaged`,
        seen: `${found.size} bytes of ${size}`,
        next: again,
      })
    if ((await sha256File(path)) !== `sha256:${name}`)
      throw new SetupError({
        what: `${path} is damaged`,
        seen: 'its content does not match its checksum',
        next: again,
      })
  }
}

/** Writes the index: the last step, so that a half-written archive is none. */
export async function writeIndex(
  dir: string,
  request: ArchiveRequest,
  content: ArchiveContent,
): Promise<string> {
  const path = join(dir, indexName(request))
  const index: z.infer<typeof indexSchema> = {
    format: 'cni-conformance/images/v1',
    sha256: sha256(JSON.stringify(content)),
    content,
  }
  const half = join(dir, `.part-${randomBytes(4).toString('hex')}`)
  await writeFile(half, JSON.stringify(index, undefined, 1))
  await rename(half, path)
  return path
}

/** Puts files into an archive under the sha256 of their content; the same content is stored once. */
export interface BlobWriter {
  /** Copies a file. */
  add(file: string): Promise<string>
  /** Takes what `write` leaves at the path that it is given. */
  create(write: (path: string) => Promise<void>): Promise<string>
  sizes: Record<string, number>
}

/** Opens an archive for writing and removes what a killed `images save` left half-written. */
export async function openBlobs(dir: string): Promise<BlobWriter> {
  const blobs = join(dir, 'blobs')
  await mkdir(blobs, { recursive: true })
  for (const folder of [dir, blobs])
    for (const name of await readdir(folder))
      if (name.startsWith('.part-')) await rm(join(folder, name), { force: true })
  const sizes: Record<string, number> = {}
  const create: BlobWriter['create'] = async (write) => {
    const half = join(blobs, `.part-${randomBytes(4).toString('hex')}`)
    try {
      await write(half)
      const name = (await sha256File(half)).slice('sha256:'.length)
      sizes[name] = (await stat(half)).size
      await rename(half, blobPath(dir, name))
      return name
    } finally {
      await rm(half, { force: true })
    }
  }
  return { sizes, create, add: (file) => create((half) => copyFile(file, half)) }
}

function jsonOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
