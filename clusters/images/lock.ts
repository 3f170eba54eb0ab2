import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { load } from 'js-yaml'
import { z } from 'zod'
import { UsageError } from '../../helpers/errors.ts'

/** `<build>/<path in what the build leaves>`. */
const buildFile = z.string().regex(/^[^/\s]+\/\S+$/, 'must be <build>/<file>')
const nodePath = z.string().startsWith('/')
const digest = z.union([z.literal('resolve'), z.string().regex(/^sha256:[0-9a-f]{64}$/)])
/** Octal mode and, where it isn't root, `uid:gid`: "0755 1000:1000". */
const directories = z.record(nodePath, z.string().regex(/^[0-7]{4}( \d+:\d+)?$/)).default({})

const imageSource = z.strictObject({
  /** Builds of recipe `tree`, lowest first. */
  layers: z.array(z.string()).default([]),
  files: z.record(nodePath, buildFile).default({}),
  links: z.record(nodePath, z.string()).default({}),
  directories,
  entrypoint: z.array(z.string()).optional(),
  cmd: z.array(z.string()).optional(),
  env: z.record(z.string(), z.string()).default({}),
  user: z.string().optional(),
})

const nodeSource = z.strictObject({
  /** A build of recipe `debian`. */
  rootfs: z.string(),
  /** Folder of a build that is laid over the root file system. */
  overlay: buildFile,
  files: z.record(nodePath, buildFile),
  /** Artefacts that upstream's node image holds in its containerd. */
  images: z.array(z.string()),
})

const published = { version: z.string(), upstream: z.string(), digest }
const fileFields = {
  ...published,
  /** Address of the published sha256, in the format of sha256sum(1). Required where the digest is `resolve`. */
  checksum: z.url().optional(),
  /** Path inside `upstream`, a gzipped tar. */
  member: z.string().optional(),
  source: buildFile,
}
const artefact = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('binary'), ...fileFields }),
  z.strictObject({ type: z.literal('manifest'), ...fileFields }),
  z.strictObject({ type: z.literal('image'), ...published, source: imageSource }),
  z.strictObject({ type: z.literal('node-image'), ...published, source: nodeSource }),
])

const goBuild = z.strictObject({
  recipe: z.literal('go'),
  module: z.string(),
  version: z.string().startsWith('v'),
  /** Folders of the main packages, relative to the module. */
  packages: z.array(z.string()).min(1),
  /** Version of the modules that the module's own go.mod replaces by `./staging/...`. */
  staging: z.string().optional(),
  /** Module path -> version that is used whatever go.mod asks for. */
  replace: z.record(z.string(), z.string()).default({}),
  /** Keeps the replacements of the module's own go.mod, those by a local folder left out. */
  upstreamReplaces: z.boolean().optional(),
  /** Variables set by the linker: `-X name=value`. */
  variables: z.record(z.string(), z.string()).default({}),
  cgo: z.boolean().default(false),
  tags: z.array(z.string()).default([]),
  /** Name that Go gives a binary -> name it gets. */
  rename: z.record(z.string(), z.string()).default({}),
  /** Files and folders of the module that are kept beside the binaries, by their last name. */
  files: z.array(z.string()).default([]),
})

const build = z.discriminatedUnion('recipe', [
  goBuild,
  /** A main package of this repository, standard library only; `path` is relative to this folder. */
  z.strictObject({ recipe: z.literal('go-program'), path: z.string() }),
  /** Files of an npm package: name -> path in the package. */
  z.strictObject({
    recipe: z.literal('npm'),
    package: z.string(),
    version: z.string(),
    files: z.record(z.string(), z.string()),
  }),
  /** A root file system by debootstrap. */
  z.strictObject({ recipe: z.literal('debian'), suite: z.string(), packages: z.array(z.string()) }),
  /** A layer with chosen programs of a root file system and the libraries they need. */
  z.strictObject({
    recipe: z.literal('tree'),
    from: z.string().optional(),
    /** Packages whose programs are all taken. */
    packages: z.array(z.string()).default([]),
    /** Programs by name, files and folders by absolute path. */
    take: z.array(z.string()).default([]),
    /** Adds busybox and a link for each of its applets that is not there as a program. */
    busybox: z.boolean().default(false),
    texts: z.record(nodePath, z.string()).default({}),
    directories,
  }),
  /** A layer of files and whole folders that other builds left, all of them executable. */
  z.strictObject({
    recipe: z.literal('files'),
    files: z.record(nodePath, buildFile),
    /** Folders inside them that are left out. */
    without: z.array(nodePath).default([]),
    /** Path -> lines with this text are left out. */
    dropLines: z.record(nodePath, z.string()).default({}),
  }),
  /** A folder that another build left as a gzipped tar: a Helm chart as it is published. */
  z.strictObject({ recipe: z.literal('tgz'), folder: buildFile, name: z.string() }),
])

const lockSchema = z.strictObject({
  kubernetes: z.record(
    z.string(),
    z.strictObject({
      kind: z.string(),
      node: z.string(),
      fixtures: z.strictObject({ node: z.string(), agnhost: z.string() }),
    }),
  ),
  cni: z.record(
    z.string(),
    z.record(
      z.string(),
      z.strictObject({
        images: z.array(z.string()),
        /** File name as the installer asks for it -> manifest, chart or program. */
        manifests: z.record(z.string(), z.string()),
        /** Path on the node -> artefact of type binary. */
        nodeFiles: z.record(nodePath, z.string()).default({}),
      }),
    ),
  ),
  artefacts: z.record(z.string(), artefact),
  builds: z.record(z.string(), build),
})

/** lock.yaml. */
export type Lock = z.infer<typeof lockSchema>
/** One published thing. */
export type Artefact = z.infer<typeof artefact>
export type FileArtefact = Extract<Artefact, { type: 'binary' | 'manifest' }>
export type ImageArtefact = Extract<Artefact, { type: 'image' }>
export type NodeImageArtefact = Extract<Artefact, { type: 'node-image' }>
/** One recipe of the `source` provider. */
type Build = z.infer<typeof build>
export type BuildOf<R extends Build['recipe']> = Extract<Build, { recipe: R }>

/** An artefact with its name in lock.yaml. */
export type Named<A extends Artefact> = A & { id: string }

/** What one run needs, taken out of the lock. */
export interface Selection {
  kubernetes: string
  cni: { name: string; version: string }
  kind: Named<FileArtefact>
  node: Named<NodeImageArtefact>
  fixtures: { node: Named<ImageArtefact>; agnhost: Named<ImageArtefact> }
  /** Images of the CNI. */
  images: Named<ImageArtefact>[]
  manifests: Record<string, Named<FileArtefact>>
  nodeFiles: Record<string, Named<FileArtefact>>
}

const lockPath = join(import.meta.dirname, 'lock.yaml')

/** The text of lock.yaml: part of every cache key that depends on the whole of it. */
export async function readLockText(): Promise<string> {
  return await readFile(lockPath, 'utf8')
}

/**
 * Reads lock.yaml, with `{arch}`, `{npmArch}` and `{triplet}` filled in for this machine.
 *
 * @throws {Error} when the file contradicts its schema or names something it doesn't define; that is a bug of ours
 */
export function parseLock(text: string, arch: NodeJS.Architecture = process.arch): Lock {
  const lock = lockSchema.parse(fillIn(load(text), placeholders(arch)))
  const missing = danglingNames(lock)
  if (missing.length > 0) throw new Error(`lock.yaml names what it does not define: ${missing.join(', ')}`)
  return lock
}

/** The architectures of the lock's addresses. */
export function placeholders(arch: NodeJS.Architecture): Record<string, string> {
  if (arch === 'x64') return { arch: 'amd64', npmArch: 'x64', triplet: 'x86_64-linux-gnu' }
  if (arch === 'arm64') return { arch: 'arm64', npmArch: 'arm64', triplet: 'aarch64-linux-gnu' }
  throw new UsageError(`this machine's architecture is ${arch}; images exist for x64 (amd64) and arm64`)
}

function fillIn(value: unknown, values: Record<string, string>): unknown {
  if (typeof value === 'string')
    return value.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
  if (Array.isArray(value)) return value.map((item) => fillIn(item, values))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fillIn(item, values)]))
}

function danglingNames(lock: Lock): string[] {
  const artefacts = [
    ...Object.values(lock.kubernetes).flatMap((set) => [set.kind, set.node, ...Object.values(set.fixtures)]),
    ...Object.values(lock.cni).flatMap((versions) =>
      Object.values(versions).flatMap((set) => [
        ...set.images,
        ...Object.values(set.manifests),
        ...Object.values(set.nodeFiles),
      ]),
    ),
    ...Object.values(lock.artefacts).flatMap((item) =>
      item.type === 'node-image' ? item.source.images : [],
    ),
  ]
  const builds = [
    ...Object.values(lock.artefacts).flatMap((item) => {
      if (item.type === 'image') return [...item.source.layers, ...Object.values(item.source.files)]
      if (item.type === 'node-image')
        return [item.source.rootfs, item.source.overlay, ...Object.values(item.source.files)]
      return [item.source]
    }),
    ...Object.values(lock.builds).flatMap((item) => {
      if (item.recipe === 'tree') return item.from ?? []
      if (item.recipe === 'files') return Object.values(item.files)
      return item.recipe === 'tgz' ? item.folder : []
    }),
  ]
  return [
    ...artefacts.filter((id) => lock.artefacts[id] === undefined),
    ...builds.filter((ref) => lock.builds[buildOf(ref)] === undefined),
  ]
}

/** The build part of `<build>/<file>`. */
export function buildOf(ref: string): string {
  const slash = ref.indexOf('/')
  return slash === -1 ? ref : ref.slice(0, slash)
}

/** The file part of `<build>/<file>`. */
export function fileOf(ref: string): string {
  return ref.slice(ref.indexOf('/') + 1)
}

/**
 * Everything a run needs.
 *
 * @throws {UsageError} for a Kubernetes or CNI version that the lock doesn't know, naming those it knows
 */
export function select(
  lock: Lock,
  request: { kubernetes: string; cni: { name: string; version: string } },
): Selection {
  const { kubernetes, cni } = request
  const problems: string[] = []
  const cluster = own(lock.kubernetes, kubernetes)
  if (cluster === undefined) problems.push(unknown('Kubernetes version', kubernetes, lock.kubernetes))
  const versions = own(lock.cni, cni.name)
  if (versions === undefined) problems.push(unknown('CNI', cni.name, lock.cni))
  const network = versions === undefined ? undefined : own(versions, cni.version)
  if (versions !== undefined && network === undefined)
    problems.push(unknown(`${cni.name} version`, cni.version, versions))
  if (cluster === undefined || network === undefined) throw new UsageError(problems)
  return {
    kubernetes,
    cni,
    kind: artefactOf(lock, cluster.kind, ['binary']),
    node: artefactOf(lock, cluster.node, ['node-image']),
    fixtures: {
      node: artefactOf(lock, cluster.fixtures.node, ['image']),
      agnhost: artefactOf(lock, cluster.fixtures.agnhost, ['image']),
    },
    images: network.images.map((id) => artefactOf(lock, id, ['image'])),
    manifests: mapValues(network.manifests, (id) => artefactOf(lock, id, ['manifest', 'binary'])),
    nodeFiles: mapValues(network.nodeFiles, (id) => artefactOf(lock, id, ['binary'])),
  }
}

/** The artefact of that name, which must be of one of these types. */
export function artefactOf<T extends Artefact['type']>(
  lock: Lock,
  id: string,
  types: readonly T[],
): Named<Extract<Artefact, { type: T }>> {
  const found = lock.artefacts[id]
  if (found === undefined || !types.some((type) => type === found.type))
    throw new Error(`lock.yaml: ${id} must be an artefact of type ${types.join(' or ')}`)
  return { ...(found as Extract<Artefact, { type: T }>), id }
}

function own<V>(record: Record<string, V>, key: string): V | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}

function unknown(what: string, value: string, known: Record<string, unknown>): string {
  return `no images for ${what} ${value}; known: ${Object.keys(known).join(', ')}`
}

/** The record with each value replaced. */
function mapValues<V, W>(record: Record<string, V>, change: (value: V) => W): Record<string, W> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]))
}
