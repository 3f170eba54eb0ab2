import { createReadStream, createWriteStream } from 'node:fs'
import { link, mkdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { constants, createZstdCompress } from 'node:zlib'
import { budgets } from '../../helpers/budgets.ts'
import { placeholders } from './lock.ts'
import { runStep, sha256, sha256File } from './tools.ts'

/** One layer of an image: a tar, plain or compressed. */
export interface Layer {
  file: string
  /** sha256 of the plain tar. */
  diffId: string
  compressed: boolean
}

/** What a container of the image runs; the fields of the OCI image configuration. */
export interface ImageConfig {
  Entrypoint?: string[]
  Cmd?: string[]
  Env?: string[]
  User?: string
  StopSignal?: string
}

interface Descriptor {
  mediaType: string
  digest: string
  size: number
}

/** Equal folders give equal bytes: names sorted, times dropped, owners by number. */
const reproducible = ['--format=gnu', '--sort=name', '--mtime=@0', '--numeric-owner'] as const

/** Packs a folder, or the listed paths of it, into a plain tar whose bytes depend on nothing but the content. */
export async function packFolder(
  folder: string,
  tarFile: string,
  options: { paths?: readonly string[]; alsoFolder?: string; signal?: AbortSignal } = {},
): Promise<void> {
  const { paths, alsoFolder, signal } = options
  const list =
    paths === undefined ? ['.'] : ['--no-recursion', '--verbatim-files-from', '--files-from=-', '--recursion']
  await runStep(
    [
      'tar',
      ...reproducible,
      '-cf',
      tarFile,
      '-C',
      folder,
      ...list,
      ...(alsoFolder === undefined ? [] : ['-C', alsoFolder, '.']),
    ],
    {
      what: `pack ${tarFile}`,
      next: 'see the message of tar above',
      budget: budgets.packMs,
      ...(paths === undefined ? {} : { input: paths.join('\n') }),
      ...(signal === undefined ? {} : { signal }),
    },
  )
}

/**
 * Compresses a plain tar with zstd at its fastest level: a third of the bytes that every node copies into its own /var
 * when it starts, unpacked at about 1 GB/s. Each of containerd 1.6+ and 2 reads it.
 */
export async function compressLayer(tarFile: string, compressedFile: string): Promise<Layer> {
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } })
  await pipeline(
    createReadStream(tarFile, { highWaterMark: 1 << 20 }),
    zstd,
    createWriteStream(compressedFile),
  )
  return { file: compressedFile, diffId: await sha256File(tarFile), compressed: true }
}

/**
 * Writes one image as an archive that `ctr images import` reads, and with plain layers `docker load` too.
 * https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 *
 * @param folder an empty folder on the same file system as the layers, used for staging
 * @returns digest of the image's manifest: what containerd calls the image's digest
 */
export async function writeImageArchive(
  archive: string,
  folder: string,
  image: { ref: string; layers: readonly Layer[]; config: ImageConfig; signal?: AbortSignal },
): Promise<string> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
  const layers = await Promise.all(image.layers.map((layer) => addLayer(folder, layer)))
  const config = await addJson(folder, 'application/vnd.oci.image.config.v1+json', {
    architecture: placeholders(process.arch)['arch'],
    os: 'linux',
    config: image.config,
    rootfs: { type: 'layers', diff_ids: image.layers.map((layer) => layer.diffId) },
  })
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = await addJson(folder, mediaType, { schemaVersion: 2, mediaType, config, layers })
  const index = {
    schemaVersion: 2,
    manifests: [{ ...manifest, annotations: { 'io.containerd.image.name': image.ref } }],
  }
  await writeFile(join(folder, 'index.json'), JSON.stringify(index))
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  if (image.layers.every((layer) => !layer.compressed)) {
    const paths = layers.map((layer) => blobPath(layer.digest))
    const docker = [{ Config: blobPath(config.digest), RepoTags: [image.ref], Layers: paths }]
    await writeFile(join(folder, 'manifest.json'), JSON.stringify(docker))
  }
  await packFolder(folder, archive, image.signal === undefined ? {} : { signal: image.signal })
  return manifest.digest
}

async function addLayer(folder: string, layer: Layer): Promise<Descriptor> {
  const digest = layer.compressed ? await sha256File(layer.file) : layer.diffId
  // A link, not a copy: layers are large and never change. The same layer twice is one blob.
  await link(layer.file, join(folder, blobPath(digest))).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  const mediaType = `application/vnd.oci.image.layer.v1.tar${layer.compressed ? '+zstd' : ''}`
  return { mediaType, digest, size: (await stat(layer.file)).size }
}

async function addJson(folder: string, mediaType: string, value: unknown): Promise<Descriptor> {
  const text = JSON.stringify(value)
  const digest = sha256(text)
  await writeFile(join(folder, blobPath(digest)), text)
  return { mediaType, digest, size: Buffer.byteLength(text) }
}

function blobPath(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`
}
