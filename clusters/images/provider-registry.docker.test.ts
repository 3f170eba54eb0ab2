import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { list } from 'tar'
import { GenericContainer, Network, Wait } from 'testcontainers'
import type { StartedNetwork, StartedTestContainer } from 'testcontainers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BudgetExceeded, SetupError } from '../../helpers/errors.ts'
import { run } from '../../helpers/exec.ts'
import { silentProgress } from '../../helpers/progress.ts'
import { openCache } from './cache.ts'
import type { Cache } from './cache.ts'
import { docker, imageId } from './docker.ts'
import { parseLock, readLockText, select } from './lock.ts'
import type { FileArtefact, Selection } from './lock.ts'
import { packFolder, writeImageArchive } from './oci.ts'
import { defaultCacheDir } from './prepare.ts'
import { podImages } from './provider.ts'
import { fromRegistry, registriesAnswer } from './provider-registry.ts'
import { parseMirror, parseReference } from './references.ts'
import { buildGoModule } from './source/go-build.ts'
import { openWorkshop } from './source/workshop.ts'
import { sha256, sha256File } from './tools.ts'

const lock = parseLock(await readLockText())
const flannel = select(lock, { kubernetes: 'v1.37.0', cni: { name: 'flannel', version: 'v0.28.9' } })
const registryImage = 'cni-conformance-test/registry:v3.1.2'
const limits = { pull: { name: 'testPullMs', ms: 60_000 }, answer: { name: 'testAnswerMs', ms: 1_000 } }

const { signal } = new AbortController()

let root = ''
let network: StartedNetwork | undefined
let registry: StartedTestContainer | undefined
let host = ''
/** Upstream reference -> digest that the registry gave when the image was pushed. */
const pushed = new Map<string, string>()
const servers: Server[] = []

async function listen(server: Server): Promise<string> {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Loads an image that holds these files; no shell, nothing to run but a static binary. */
async function loadScratchImage(
  ref: string,
  files: Record<string, string>,
  entrypoint?: string[],
): Promise<void> {
  const folder = await mkdtemp(join(root, 'image-'))
  await mkdir(join(folder, 'root'))
  for (const [name, from] of Object.entries(files)) await run(['cp', from, join(folder, 'root', name)])
  const layer = join(folder, 'layer.tar')
  await packFolder(join(folder, 'root'), layer)
  const layers = [{ file: layer, diffId: await sha256File(layer), compressed: false }]
  const config = entrypoint === undefined ? {} : { Entrypoint: entrypoint }
  await writeImageArchive(join(folder, 'image.tar'), join(folder, 'layout'), { ref, layers, config })
  await docker(['load', '--input', join(folder, 'image.tar')], { what: 'load a test image' })
}

/** The reference implementation of a registry, built as everything else is where none can be pulled. */
async function buildRegistryImage(): Promise<void> {
  if ((await imageId(registryImage)) !== undefined) return
  const cache = await openCache(defaultCacheDir(), silentProgress)
  const workshop = openWorkshop({ lock, cache, progress: silentProgress, install: false, signal })
  const entry = await buildGoModule(
    'test-registry',
    {
      recipe: 'go',
      module: 'github.com/distribution/distribution/v3',
      version: 'v3.1.2',
      packages: ['cmd/registry'],
      replace: {},
      variables: {},
      cgo: false,
      tags: [],
      rename: {},
      files: [],
    },
    workshop,
  )
  const config = join(root, 'config.yml')
  await writeFile(
    config,
    JSON.stringify({
      version: '0.1',
      storage: { filesystem: { rootdirectory: '/data' } },
      http: { addr: ':5000' },
    }),
  )
  const files = { registry: join(entry.dir, 'registry'), 'config.yml': config }
  await loadScratchImage(registryImage, files, ['/registry', 'serve', '/config.yml'])
}

/** Pushes a small image of its own for each upstream reference of the selection. */
async function pushImages(): Promise<void> {
  const file = join(root, 'content')
  for (const { upstream } of [flannel.node, ...podImages(flannel)]) {
    // 2 MB that don't compress, other than all others: each needs its own layer, and a disk of 1 MB is full.
    await writeFile(
      file,
      createHash('shake256', { outputLength: 2 << 20 })
        .update(upstream)
        .digest(),
    )
    const { repository, tag } = parseReference(upstream)
    const ref = `${host}/mirror/${repository}:${tag}`
    await loadScratchImage(ref, { content: file })
    const printed = await docker(['push', ref], { what: `push ${ref}` })
    pushed.set(upstream, /digest: (sha256:\w+)/.exec(printed)?.[1] ?? '')
    await docker(['image', 'rm', ref], { what: `remove ${ref}` })
  }
}

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnic-registry-'))
  await buildRegistryImage()
  network = await new Network().start()
  registry = await new GenericContainer(registryImage)
    .withNetwork(network)
    .withExposedPorts(5000)
    .withWaitStrategy(Wait.forHttp('/v2/', 5000))
    .start()
  host = `127.0.0.1:${registry.getMappedPort(5000)}`
  await pushImages()
}, 600_000)

afterAll(async () => {
  for (const server of servers) server.close()
  await registry?.stop()
  await network?.stop()
  const images = await docker(['image', 'ls', '--format', '{{.ID}} {{.Repository}}'], { what: 'list images' })
  const pulled = images.split('\n').filter((line) => line.includes(' 127.0.0.1:'))
  const ids = [...new Set(pulled.map((line) => line.split(' ')[0] ?? ''))]
  if (ids.length > 0) await run(['docker', 'image', 'rm', '--force', ...ids], { allowFailure: true })
  await rm(root, { recursive: true })
}, 60_000)

/** The selection with files that a server of this test publishes, and the digest that the node image really has here. */
async function selection(changes: Partial<Selection> = {}): Promise<Selection> {
  const publisher = await listen(createHttpServer((_, response) => response.end('a published file')))
  const local = <A extends FileArtefact>(artefact: A): A => ({
    ...artefact,
    upstream: `http://${publisher}/file`,
    digest: sha256('a published file'),
    member: undefined,
  })
  return {
    ...flannel,
    kind: local(flannel.kind),
    node: { ...flannel.node, digest: pushed.get(flannel.node.upstream) ?? '' },
    manifests: { 'kube-flannel.yml': local(flannel.manifests['kube-flannel.yml'] ?? flannel.kind) },
    nodeFiles: { '/opt/cni/bin/bridge': local(flannel.kind) },
    ...changes,
  }
}

async function emptyCache(): Promise<Cache> {
  return await openCache(await mkdtemp(join(root, 'cache-')), silentProgress)
}

async function fetched(from: Selection, mirror = `${host}/mirror`, cache?: Cache, within = limits) {
  const context = {
    lock,
    cache: cache ?? (await emptyCache()),
    progress: silentProgress,
    install: false,
    signal,
  }
  return await fromRegistry(from, parseMirror(mirror), context, within)
}

test('images come by digest where the lock has one, else the digest is found and recorded', async () => {
  const parts = await fetched(await selection())
  expect(parts.provider).toBe('registry')
  const digests = new Map(parts.provenance.map(({ upstream, digest }) => [upstream, digest]))
  for (const [upstream, digest] of pushed) expect(digests.get(upstream)).toBe(digest)
  expect(await imageId(parts.nodeBase)).toMatch(/^sha256:/)
  for (const image of parts.images) {
    expect(await sha256File(image.file)).toBe(image.sha256)
    const names: string[] = []
    await list({ file: image.file, onReadEntry: (entry) => names.push(entry.path) })
    expect(names).toContain('manifest.json')
    // Nobody's Docker shows a mirror's copy under upstream's name, nor our name for it.
    expect(await imageId(image.upstream)).toBeUndefined()
    expect(await imageId(image.nameInFile.replace('docker.io/', ''))).toBeUndefined()
  }
  expect(await readFile(parts.kindBinary, 'utf8')).toBe('a published file')
  await docker(['image', 'rm', parts.nodeBase], { what: 'tidy up' })
}, 120_000)

test('a second time nothing is pulled: the registry may be gone', async () => {
  const cache = await emptyCache()
  const from = await selection()
  const first = await fetched(from, undefined, cache)
  const again = await fetched(from, undefined, cache)
  expect(again.images).toEqual(first.images)
  await docker(['image', 'rm', first.nodeBase], { what: 'tidy up' })
}, 120_000)

test('a registry that does not have the digest of the lock', async () => {
  const node = { ...flannel.node, digest: `sha256:${'0'.repeat(64)}` }
  const failure = await fetched(await selection({ node })).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(SetupError)
  expect(String(failure)).toContain(
    `does not serve docker.io/kindest/node:v1.37.0 with the digest of clusters/images/lock.yaml`,
  )
  expect(String(failure)).toContain('next: do not use this registry')
}, 60_000)

test('a registry that sends something else under the digest of the lock', async () => {
  const mediaType = 'application/vnd.docker.distribution.manifest.v2+json'
  const forged = JSON.stringify({ schemaVersion: 2, mediaType, config: {}, layers: [] })
  const forger = await listen(
    createHttpServer((request, response) => {
      response.setHeader('content-type', request.url === '/v2/' ? 'application/json' : mediaType)
      response.end(request.url === '/v2/' ? '{}' : forged)
    }),
  )
  // Never seen before: of a digest that it knows, Docker takes the true content that it has.
  const node = { ...flannel.node, digest: sha256(`forged ${forger}`) }
  const fixtures = { ...flannel.fixtures, node: flannel.fixtures.agnhost }
  const from = await selection({ node, images: [], fixtures })
  const failure = await fetched(from, `docker.io=${forger},registry.k8s.io=${host}/mirror`).catch(
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(SetupError)
  expect(String(failure)).toContain('with the digest of clusters/images/lock.yaml')
}, 60_000)

test('a registry that accepts and never answers is given up within the named budget', async () => {
  const silent = await listen(createServer(() => undefined))
  const started = performance.now()
  const pull = { name: 'testPullMs', ms: 3_000 }
  const failure = await fetched(await selection(), silent, undefined, { ...limits, pull }).catch(
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(BudgetExceeded)
  expect(String(failure)).toMatch(/could not pull \S+ within 3 s \(budget testPullMs\)/)
  expect(performance.now() - started).toBeLessThan(15_000)
  expect(await registriesAnswer(flannel, parseMirror(silent), undefined, limits.answer)).toMatch(
    /did not answer within 1 s/,
  )
}, 60_000)

test('which registries answer', async () => {
  expect(await registriesAnswer(flannel, parseMirror(host), undefined, limits.answer)).toBeUndefined()
  expect(await registriesAnswer(flannel, parseMirror('127.0.0.1:1'), undefined, limits.answer)).toMatch(
    /out of reach/,
  )
})

test('a full disk is one clear error, and nothing half-written counts', async () => {
  const small = await mkdtemp(join(root, 'small-'))
  await run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])
  try {
    const cache = await openCache(small, silentProgress)
    const failure = await fetched(await selection(), undefined, cache).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(SetupError)
    expect(String(failure)).toMatch(/could not save \S+: the disk is full/)
    expect(String(failure)).toContain('next: free some space')
  } finally {
    await run(['umount', '--lazy', small])
  }
}, 60_000)
