import { createReadStream, createWriteStream } from 'node:fs'
import { access, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import { z } from 'zod'
import { budgets } from '../../helpers/budgets.ts'
import type { Cache } from './cache.ts'
import type { ImageFile } from './derive.ts'
import { docker, imageId } from './docker.ts'
import { withFileLock } from './file-lock.ts'
import { writeImageArchive } from './oci.ts'
import { codeHash, runStep, shortHash } from './tools.ts'

/**
 * Pods' images go into the node image, past the Docker daemon. The server outside the cluster is a container beside the
 * nodes, so its image has to be in the daemon, and not every daemon reads what containerd does: layers compressed with
 * zstd, an OCI layout without Docker's manifest.
 */

interface Work {
  cache: Cache
  signal: AbortSignal
}

/**
 * Brings a pod's image into the daemon, unless it is there already.
 *
 * @returns a name of our own: under the upstream name a copy of ours would pass for upstream's in the user's Docker
 */
export async function imageInDaemon(image: ImageFile, { cache, signal }: Work): Promise<string> {
  const key = shortHash([image.sha256, await codeHash(import.meta.url)])
  const ref = `cni-conformance/outside:${key}`
  await withFileLock(
    join(cache.dir, 'locks', `outside-${key}`),
    async () => {
      if ((await imageId(ref, signal)) !== undefined) return
      await cache.withTempDir('outside', (temp) => load(image, ref, temp, signal))
    },
    { signal },
  )
  return ref
}

async function load(
  { file, nameInFile }: ImageFile,
  ref: string,
  temp: string,
  signal: AbortSignal,
): Promise<void> {
  const layout = join(temp, 'layout')
  await mkdir(layout)
  await runStep(['tar', '-xf', file, '-C', layout], {
    what: `unpack ${file}`,
    next: 'check that the disk has 1 GB free, then run the same command again',
    budget: budgets.packMs,
    signal,
  })
  const options = { what: 'load the image of the server outside the cluster', signal }
  if (await exists(join(layout, 'manifest.json'))) {
    await docker(['load', '--quiet', '--input', file], options)
    await docker(['tag', nameInFile, ref], options)
    await docker(['image', 'rm', nameInFile], options)
    return
  }
  const plain = join(temp, 'plain.tar')
  await writePlain(layout, join(temp, 'plain'), { archive: plain, ref, signal })
  await docker(['load', '--quiet', '--input', plain], options)
}

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/)
const indexSchema = z.object({ manifests: z.tuple([z.object({ digest })]) })
const manifestSchema = z.object({
  config: z.object({ digest }),
  layers: z.array(z.object({ digest, mediaType: z.string() })),
})
const configSchema = z.object({
  config: z.object({
    Entrypoint: z.array(z.string()).exactOptional(),
    Cmd: z.array(z.string()).exactOptional(),
    Env: z.array(z.string()).exactOptional(),
  }),
  rootfs: z.object({ diff_ids: z.array(digest) }),
})

/** The same image with plain layers, as every `docker load` reads it. */
async function writePlain(
  layout: string,
  folder: string,
  { archive, ref, signal }: { archive: string; ref: string; signal: AbortSignal },
): Promise<void> {
  const path = (of: string): string => join(layout, 'blobs', of.replace(':', '/'))
  const read = async (file: string): Promise<unknown> => JSON.parse(await readFile(file, 'utf8'))
  const index = indexSchema.parse(await read(join(layout, 'index.json')))
  const manifest = manifestSchema.parse(await read(path(index.manifests[0].digest)))
  const { config, rootfs } = configSchema.parse(await read(path(manifest.config.digest)))
  await mkdir(folder)
  const layers = await Promise.all(
    manifest.layers.map(async ({ digest: of, mediaType }, at) => {
      const file = `${folder}-${at}.tar`
      await pipeline(createReadStream(path(of)), decompressor(mediaType), createWriteStream(file), { signal })
      return { file, diffId: rootfs.diff_ids[at] ?? '', compressed: false }
    }),
  )
  await writeImageArchive(archive, folder, { ref, layers, config, signal })
}

function decompressor(mediaType: string): Transform {
  if (mediaType.endsWith('zstd')) return createZstdDecompress()
  return mediaType.endsWith('gzip') ? createGunzip() : new PassThrough()
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )
