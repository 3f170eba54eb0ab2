import { join } from 'node:path'
import type { Entry } from './cache.ts'
import type { ImageFile } from './derive.ts'
import { loadImage } from './docker.ts'
import { artefactOf, buildOf } from './lock.ts'
import type { FileArtefact, ImageArtefact, Named, Selection } from './lock.ts'
import { podImages, provenanceOf } from './provider.ts'
import type { Parts, ProviderContext } from './provider.ts'
import { buildImage, imageFile } from './source/image.ts'
import { buildNodeImage } from './source/node-image.ts'
import { builtFile, openWorkshop, origin } from './source/workshop.ts'
import type { BuiltFile, Workshop } from './source/workshop.ts'

/** Builds everything from Go modules, npm and Debian packages: no registry needed. Minutes once, then the cache answers. */
export async function fromSource(selection: Selection, context: ProviderContext): Promise<Parts> {
  return await context.progress.step('build images from source', async (step) => {
    const workshop = openWorkshop({ ...context, progress: step })
    startLongest(selection, workshop)
    const inside = selection.node.source.images.map((id) => artefactOf(context.lock, id, ['image']))
    const images = [...inside, ...podImages(selection)]
    const [node, kind, archives, nodeFiles, manifests] = await Promise.all([
      buildNodeImage(selection.node, workshop),
      builtFile(selection.kind, workshop),
      Promise.all(images.map((image) => buildImage(image, workshop))),
      builtFiles(selection.nodeFiles, workshop),
      builtFiles(selection.manifests, workshop),
    ])
    const nodeBase = await step.step('load the node image into Docker', () => loadNode(node, context))
    return {
      provider: 'source',
      kindBinary: kind.path,
      nodeBase,
      images: images.map((image, index) => imageFileOf(image, archives[index])),
      nodeFiles: Object.fromEntries(nodeFiles.map(({ name, path }) => [name, path])),
      manifests: Object.fromEntries(manifests.map(({ name, path }) => [name, path])),
      provenance: [
        { ...provenanceOf(selection.node), ...origin(node, node.facts['digest']) },
        ...[kind, ...nodeFiles, ...manifests].map((file) => file.provenance),
        ...images.map((image, index) => ({
          ...provenanceOf(image),
          ...origin(archives[index], archives[index]?.facts['digest']),
        })),
      ],
    }
  })
}

/** The critical path first: the node's programs take longest to compile, its packages to download. */
function startLongest(selection: Selection, workshop: Workshop): void {
  const { rootfs, files } = selection.node.source
  const ids = new Set([...Object.values(files).map(buildOf), rootfs])
  // Who needs it awaits the same promise and sees its failure.
  for (const id of ids) workshop.build(id).catch(() => undefined)
}

async function builtFiles(
  files: Record<string, Named<FileArtefact>>,
  workshop: Workshop,
): Promise<BuiltFile[]> {
  return await Promise.all(
    Object.entries(files).map(([name, artefact]) => builtFile(artefact, workshop, name)),
  )
}

function imageFileOf(image: ImageArtefact, entry: Entry | undefined): ImageFile {
  const sum = entry?.files[imageFile]?.sha256
  if (entry === undefined || sum === undefined) throw new Error(`no archive of ${image.upstream}`)
  return {
    file: join(entry.dir, imageFile),
    sha256: sum,
    nameInFile: image.upstream,
    upstream: image.upstream,
  }
}

async function loadNode(node: Entry, context: ProviderContext): Promise<string> {
  const ref = node.facts['ref']
  if (ref === undefined) throw new Error(`no name recorded in ${node.dir}`)
  await loadImage(ref, join(node.dir, imageFile), context.signal)
  return ref
}
