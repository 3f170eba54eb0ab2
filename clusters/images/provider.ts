import { z } from 'zod'
import type { Progress } from '../../helpers/progress.ts'
import type { Cache } from './cache.ts'
import type { ImageFile } from './derive.ts'
import type { Artefact, Lock, Selection } from './lock.ts'

const providerNames = ['archive', 'registry', 'source'] as const
export type ProviderName = (typeof providerNames)[number]

/** Where one thing of a run came from; goes into the report. */
export const provenanceSchema = z.strictObject({
  /** Name of the entry in lock.yaml. */
  artefact: z.string(),
  kind: z.enum(['image', 'binary', 'manifest']),
  version: z.string(),
  /** Upstream address or image reference. */
  upstream: z.string(),
  provider: z.enum([...providerNames, 'host']),
  /** `sha256:...` of what was used: of an image its manifest or index, of a file its content. */
  digest: z.string(),
  /** Of `source`: the modules and packages with their checksums. */
  builtFrom: z.string().exactOptional(),
})
export type Provenance = z.infer<typeof provenanceSchema>

/** Everything for a run, wherever it came from: the input of the derived node image, and of `images save`. */
export interface Parts {
  provider: ProviderName
  kindBinary: string
  /** Node image in the Docker daemon, not yet derived. */
  nodeBase: string
  images: ImageFile[]
  /** Path on the node -> program here. */
  nodeFiles: Record<string, string>
  /** File name -> path here. */
  manifests: Record<string, string>
  provenance: Provenance[]
}

/** What a provider works with. */
export interface ProviderContext {
  lock: Lock
  cache: Cache
  progress: Progress
  /** May install missing packages of the host. */
  install: boolean
  signal: AbortSignal
}

/** The provenance of an artefact, but for where this copy came from. */
export function provenanceOf(artefact: Artefact & { id: string }): Omit<Provenance, 'provider' | 'digest'> {
  const kind = artefact.type === 'node-image' ? 'image' : artefact.type
  return { artefact: artefact.id, kind, version: artefact.version, upstream: artefact.upstream }
}

/** Images that pods of a run ask for by name and that upstream's node image doesn't hold. */
export function podImages(selection: Selection): Selection['images'] {
  return [...selection.images, selection.fixtures.node, selection.fixtures.agnhost]
}
