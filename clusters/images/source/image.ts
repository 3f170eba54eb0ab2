import { chmod, copyFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Entry } from '../cache.ts'
import type { ImageArtefact, Named } from '../lock.ts'
import { buildOf, fileOf } from '../lock.ts'
import { compressLayer, packFolder, writeImageArchive } from '../oci.ts'
import type { ImageConfig } from '../oci.ts'
import { codeHash } from '../tools.ts'
import { writeExtras } from './extras.ts'
import { treeLayer } from './tree.ts'
import type { Workshop } from './workshop.ts'

/** What runtimes put in PATH when an image says nothing; said here, as kubeadm's manifests name programs without folder. */
const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
export const imageFile = 'image.tar'

/** An image put together from layers and files, under its upstream name, as `image.tar`. Facts: `digest`, `builtFrom`. */
export async function buildImage(artefact: Named<ImageArtefact>, workshop: Workshop): Promise<Entry> {
  const { source } = artefact
  const [layers, files] = await Promise.all([
    Promise.all(source.layers.map((id) => workshop.build(id))),
    Promise.all(Object.entries(source.files).map(([target, ref]) => builtPart(target, ref, workshop))),
  ])
  return await workshop.cache.entry({
    name: `image-${artefact.id}`,
    inputs: [
      artefact.upstream,
      source,
      layers.map((layer) => layer.digest),
      // Of these files alone: a change of kubelet doesn't touch the image of etcd.
      files.map(({ sum }) => sum),
      await codeHash(import.meta.url, '../oci.ts', './extras.ts'),
    ],
    title: `put together ${artefact.upstream}`,
    make: (dir) =>
      workshop.cache.withTempDir('image', async (temp) => {
        const root = join(temp, 'root')
        await mkdir(root)
        for (const { target, file } of files) {
          await mkdir(join(root, dirname(target)), { recursive: true })
          await copyFile(file, join(root, target))
          await chmod(join(root, target), target.endsWith('.crt') || target.endsWith('.key') ? 0o644 : 0o755)
        }
        await writeExtras(root, source)
        const plain = join(temp, 'layer.tar')
        await packFolder(root, plain)
        const top = await compressLayer(plain, join(temp, 'layer.tar.zst'))
        const archived = {
          ref: artefact.upstream,
          layers: [...layers.map(treeLayer), top],
          config: configOf(artefact),
        }
        const digest = await writeImageArchive(join(dir, imageFile), join(temp, 'layout'), archived)
        const origins = [...layers, ...files.map(({ entry }) => entry)].flatMap(
          (entry) => entry.facts['builtFrom'] ?? [],
        )
        return { digest, builtFrom: [...new Set(origins)].join(', ') }
      }),
  })
}

async function builtPart(target: string, ref: string, workshop: Workshop) {
  const entry = await workshop.build(buildOf(ref))
  return { target, entry, file: await workshop.file(ref), sum: entry.files[fileOf(ref)]?.sha256 }
}

function configOf(artefact: ImageArtefact): ImageConfig {
  const { entrypoint, cmd, env, user } = artefact.source
  return {
    ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
    ...(cmd === undefined ? {} : { Cmd: cmd }),
    ...(user === undefined ? {} : { User: user }),
    Env: [path, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)],
  }
}
