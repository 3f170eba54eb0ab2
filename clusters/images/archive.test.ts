import { mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SetupError } from '../../helpers/errors.ts'
import { blobPath, indexName, openBlobs, readIndex, verifyBlobs, writeIndex } from './archive.ts'
import type { ArchiveContent } from './archive.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnic-archive-'))
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

const request = { kubernetes: 'v1.37.0', cni: { name: 'flannel', version: 'v0.28.9' } }
const ignore = (): void => undefined

async function archive(): Promise<{ dir: string; content: ArchiveContent }> {
  const dir = await mkdtemp(join(root, 'archive-'))
  const blobs = await openBlobs(dir)
  const blob = await blobs.create((path) => writeFile(path, 'the node image'))
  const kind = await blobs.add(join(import.meta.dirname, 'lock.yaml'))
  const provenance: ArchiveContent['provenance'] = [
    {
      artefact: 'kind',
      kind: 'binary',
      version: 'v1',
      upstream: 'https://example.org',
      provider: 'source',
      digest: `sha256:${kind}`,
    },
  ]
  const content: ArchiveContent = {
    arch: process.arch,
    kind,
    node: { blob, ref: 'cni-conformance/node-base:x' },
    images: [{ blob, nameInFile: 'a/b:c', upstream: 'a/b:c' }],
    nodeFiles: {},
    manifests: { 'kube-flannel.yml': kind },
    provenance,
    sizes: blobs.sizes,
  }
  await writeIndex(dir, request, content)
  return { dir, content }
}

test('what was written is read, and every byte of it is right', async () => {
  const { dir, content } = await archive()
  expect(await readIndex(dir, request)).toEqual(content)
  await expect(verifyBlobs(dir, content, ignore)).resolves.toBeUndefined()
  // The same content twice is one file.
  expect(await readdir(join(dir, 'blobs'))).toHaveLength(2)
})

test.for<[string, (path: string) => Promise<void>, RegExp]>([
  ['truncated', (path) => truncate(path, 5), /is damaged\n {2}seen: 5 bytes of 14/],
  [
    'changed',
    (path) => writeFile(path, 'the mode image'),
    /is damaged\n {2}seen: its content does not match/,
  ],
  ['missing', (path) => rm(path), /lacks/],
])('a %s part is one clear error', async ([, damage, message]) => {
  const { dir, content } = await archive()
  await damage(blobPath(dir, content.node.blob))
  const failure = verifyBlobs(dir, content, ignore)
  await expect(failure).rejects.toThrow(SetupError)
  await expect(failure).rejects.toThrow(message)
})

test('any damage to the index is noticed', async () => {
  const { dir, content } = await archive()
  const path = join(dir, indexName(request))
  const whole = await readFile(path)
  await fc.assert(
    fc.asyncProperty(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
      const damaged = Buffer.from(whole)
      damaged.writeUInt8(damaged.readUInt8(at) ^ flip, at)
      await writeFile(path, damaged)
      const read = await readIndex(dir, request).catch((error: unknown) => error)
      // White space may change; content may not.
      expect(read instanceof SetupError ? content : read).toEqual(content)
    }),
  )
  await truncate(path, 40)
  await expect(readIndex(dir, request)).rejects.toThrow(/is damaged/)
})

test('a run that was not saved is told with those that were', async () => {
  const { dir } = await archive()
  const other = { ...request, kubernetes: 'v1.36.3' }
  await expect(readIndex(dir, other)).rejects.toThrow(
    /holds no images for Kubernetes v1\.36\.3 with flannel v0\.28\.9\n {2}seen: it holds kubernetes-v1\.37\.0-flannel-v0\.28\.9\.json/,
  )
  await expect(readIndex(join(dir, 'nowhere'), request)).rejects.toThrow(SetupError)
})

test('a killed writer leaves nothing that counts, and the next one tidies up', async () => {
  const { dir } = await archive()
  await writeFile(join(dir, 'blobs', '.part-dead'), 'half')
  await writeFile(join(dir, '.part-dead'), 'half')
  await openBlobs(dir)
  expect((await readdir(dir, { recursive: true })).filter((name) => name.includes('.part'))).toEqual([])
})

test('a failed write leaves no file', async () => {
  const dir = await mkdtemp(join(root, 'archive-'))
  const blobs = await openBlobs(dir)
  await expect(
    blobs.create(async (path) => {
      await writeFile(path, 'half')
      throw new Error('disk on fire')
    }),
  ).rejects.toThrow('disk on fire')
  expect(await readdir(join(dir, 'blobs'))).toEqual([])
})
