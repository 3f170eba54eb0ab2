import { join } from 'node:path'
import pLimit from 'p-limit'
import { budgets } from '../../helpers/budgets.ts'
import type { Budget } from '../../helpers/budgets.ts'
import { SetupError, messageOf } from '../../helpers/errors.ts'
import { run } from '../../helpers/exec.ts'
import type { Entry } from './cache.ts'
import type { ImageFile } from './derive.ts'
import { docker, nodeBaseRef } from './docker.ts'
import { Unreachable, download } from './download.ts'
import type { FileArtefact, ImageArtefact, Named, NodeImageArtefact, Selection } from './lock.ts'
import { podImages, provenanceOf } from './provider.ts'
import type { Parts, Provenance, ProviderContext } from './provider.ts'
import { apiAddress, mirrored, parseReference } from './references.ts'
import type { Mirror } from './references.ts'
import { builtFile, openWorkshop } from './source/workshop.ts'
import { codeHash, runStep, sha256File, shortHash } from './tools.ts'

/** As many as Docker itself fetches layers at once by default. */
const pullsAtOnce = 3

/** What the tests of this provider set: a hanging registry must not take a quarter of an hour to test. */
interface RegistryLimits {
  pull: Budget
  answer: Budget
}
const defaultLimits: RegistryLimits = { pull: budgets.imagePullMs, answer: budgets.registryAnswerMs }

/** Upstream's own images through the user's Docker, so with its credentials, proxies and certificates. */
export async function fromRegistry(
  selection: Selection,
  mirror: Mirror,
  context: ProviderContext,
  limits = defaultLimits,
): Promise<Parts> {
  return await context.progress.step('fetch images', async (step) => {
    const inside = { ...context, progress: step }
    const limit = pLimit(pullsAtOnce)
    const [node, images, kind, nodeFiles, manifests] = await Promise.all([
      limit(() => pullNode(selection.node, mirror, inside, limits)),
      Promise.all(podImages(selection).map((image) => limit(() => pullImage(image, mirror, inside, limits)))),
      kindBinary(selection.kind, inside),
      fetchFiles(selection.nodeFiles, inside),
      fetchFiles(selection.manifests, inside),
    ])
    return {
      provider: 'registry',
      kindBinary: kind.path,
      nodeBase: node.ref,
      images: images.map(({ file }) => file),
      nodeFiles: Object.fromEntries(nodeFiles.map(({ name, path }) => [name, path])),
      manifests: Object.fromEntries(manifests.map(({ name, path }) => [name, path])),
      provenance: [node, kind, ...images, ...nodeFiles, ...manifests].map((part) => part.provenance),
    }
  })
}

/**
 * Asks every registry of a run for a sign of life, side by side. Any HTTP answer counts, also "log in first".
 *
 * @returns undefined when all answer, else what was seen of the first that doesn't
 */
export async function registriesAnswer(
  selection: Selection,
  mirror: Mirror,
  signal?: AbortSignal,
  limit = budgets.registryAnswerMs,
): Promise<string | undefined> {
  const refs = [selection.node, ...podImages(selection)].map((image) => mirrored(image.upstream, mirror))
  const silent = await Promise.all(
    [...new Set(refs.map(apiAddress))].map((address) => whySilent(address, limit, signal)),
  )
  return silent.find((reason) => reason !== undefined)
}

async function whySilent(address: string, limit: Budget, signal?: AbortSignal): Promise<string | undefined> {
  const timeout = AbortSignal.timeout(limit.ms)
  try {
    const answer = await fetch(address, {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    })
    await answer.body?.cancel()
    return answer.status < 500 ? undefined : `${address} answers with status ${answer.status}`
  } catch (error) {
    signal?.throwIfAborted()
    if (timeout.aborted) return `${address} did not answer within ${limit.ms / 1000} s`
    const cause = error instanceof Error ? error.cause : undefined
    return `${address} is out of reach (${messageOf(cause ?? error)})`
  }
}

interface Pulled {
  /** As Docker knows it now. */
  ref: string
  /** Of the index or manifest that the registry served. */
  digest: string
}

/** `docker pull`, by digest where the lock has one. */
async function pull(
  artefact: Named<ImageArtefact | NodeImageArtefact>,
  mirror: Mirror,
  signal: AbortSignal | undefined,
  limit: Budget,
): Promise<Pulled> {
  const repository = mirrored(artefact.upstream, mirror)
  const { tag } = parseReference(artefact.upstream)
  const byDigest = artefact.digest !== 'resolve'
  const ref = byDigest ? `${repository}@${artefact.digest}` : `${repository}:${tag}`
  const next = `check that \`docker pull ${ref}\` works; --registry-mirror names another registry, --images source needs none`
  try {
    const options = { what: `pull ${ref}`, next, budget: limit, ...(signal === undefined ? {} : { signal }) }
    await runStep(['docker', 'pull', ref], options)
  } catch (error) {
    if (byDigest && error instanceof SetupError && isWrongDigest(error.seen ?? ''))
      throw wrongDigest(artefact, repository, error)
    throw error
  }
  return { ref, digest: byDigest ? artefact.digest : await resolvedDigest(ref, repository) }
}

/** What Docker 20 to 29 say when a registry has no such digest, or sends bytes that don't have it. */
function isWrongDigest(seen: string): boolean {
  return /manifest unknown|manifest verification failed|digest|not found/i.test(seen)
}

function wrongDigest(
  artefact: Named<ImageArtefact | NodeImageArtefact>,
  repository: string,
  error: SetupError,
): SetupError {
  return new SetupError({
    what: `${repository} does not serve ${artefact.upstream} with the digest of clusters/images/lock.yaml, ${artefact.digest}`,
    seen: error.seen ?? '',
    next: 'do not use this registry: what it serves is not what upstream published; another --registry-mirror, or --images source',
    cause: error,
  })
}

async function resolvedDigest(ref: string, repository: string): Promise<string> {
  const answer = await docker(['image', 'inspect', '--format', '{{join .RepoDigests "\\n"}}', ref], {
    what: `read the digest of ${ref}`,
  })
  // Docker leaves out the host of its own hub.
  const short = repository.replace(/^docker\.io\/(library\/)?/, '')
  const digests = answer.split('\n').map((line) => line.split('@'))
  const own = digests.find(([name]) => name === repository || name === short) ?? digests[0]
  if (own?.[1] === undefined) throw new Error(`Docker names no digest of ${ref}`)
  return own[1]
}

async function pullNode(
  node: Named<NodeImageArtefact>,
  mirror: Mirror,
  context: ProviderContext,
  limits: RegistryLimits,
) {
  const pulled = await context.progress.step(`pull ${node.upstream}`, () =>
    pull(node, mirror, context.signal, limits.pull),
  )
  const ref = nodeBaseRef(pulled.digest)
  await docker(['tag', pulled.ref, ref], { what: `name ${node.upstream}` })
  const provenance: Provenance = { ...provenanceOf(node), provider: 'registry', digest: pulled.digest }
  return { ref, provenance }
}

async function pullImage(
  image: Named<ImageArtefact>,
  mirror: Mirror,
  context: ProviderContext,
  limits: RegistryLimits,
) {
  const name = `cni-conformance/image:${shortHash([image.upstream, image.digest])}`
  const archive = 'image.tar'
  const entry = await context.cache.entry({
    name: `pulled-${image.id}`,
    inputs: [image.upstream, image.digest, process.arch, await codeHash(import.meta.url)],
    title: `pull ${image.upstream}`,
    make: async (dir, step) => {
      const { ref, digest } = await pull(image, mirror, context.signal, limits.pull)
      step.update('saving')
      const options = {
        what: `save ${ref}`,
        signal: context.signal,
      }
      // A name of our own: with the upstream name a mirror's copy would pass for upstream's in the user's Docker.
      await docker(['tag', ref, name], options)
      try {
        await docker(['save', '--output', join(dir, archive), name], options)
      } finally {
        await docker(['image', 'rm', name], { what: `remove the name ${name}` })
      }
      return { digest }
    },
  })
  return {
    file: imageFile(image, entry, archive, name),
    provenance: { ...provenanceOf(image), ...pulledFrom(entry) },
  }
}

function imageFile(image: ImageArtefact, entry: Entry, archive: string, name: string): ImageFile {
  const sum = entry.files[archive]?.sha256
  if (sum === undefined) throw new Error(`no archive in ${entry.dir}`)
  return {
    file: join(entry.dir, archive),
    sha256: sum,
    nameInFile: `docker.io/${name}`,
    upstream: image.upstream,
  }
}

function pulledFrom(entry: Entry): { provider: 'registry'; digest: string } {
  return { provider: 'registry', digest: entry.facts['digest'] ?? '' }
}

interface FetchedFile {
  name: string
  path: string
  provenance: Provenance
}

async function fetchFiles(
  files: Record<string, Named<FileArtefact>>,
  context: ProviderContext,
): Promise<FetchedFile[]> {
  return await Promise.all(
    Object.entries(files).map(([name, artefact]) => fetchFile(artefact, context, name)),
  )
}

/** From its upstream address; from source where that is out of reach. A file with a wrong checksum is an error. */
async function fetchFile(
  artefact: Named<FileArtefact>,
  context: ProviderContext,
  name = '',
): Promise<FetchedFile> {
  try {
    const { path, digest } = await download(artefact, context)
    return { name, path, provenance: { ...provenanceOf(artefact), provider: 'registry', digest } }
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error
    context.progress.note(`${error.what} (${error.seen}); building ${artefact.id} from source`)
    return await builtFile(artefact, openWorkshop(context), name)
  }
}

/** The user's own kind where it has the version of the lock. */
async function kindBinary(kind: Named<FileArtefact>, context: ProviderContext): Promise<FetchedFile> {
  const path = await ownKind(kind.version)
  if (path === undefined) return await fetchFile(kind, context)
  return {
    name: '',
    path,
    provenance: { ...provenanceOf(kind), provider: 'host', digest: await sha256File(path) },
  }
}

async function ownKind(version: string): Promise<string | undefined> {
  const options = { allowFailure: true, timeoutMs: budgets.toolVersionMs.ms }
  const answer = await run(['kind', 'version', '--quiet'], options).catch(() => undefined)
  if (answer?.exitCode !== 0 || `v${answer.stdout.trim().replace(/^v/, '')}` !== version) return undefined
  const found = await run(['/bin/sh', '-c', 'command -v kind'], options)
  return found.exitCode === 0 ? found.stdout.trim() : undefined
}
