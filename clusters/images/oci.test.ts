import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { extract } from 'tar'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compressLayer, packFolder, writeImageArchive } from './oci.ts'
import type { Layer } from './oci.ts'
import { sha256, sha256File } from './tools.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnic-oci-'))
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

async function folderWith(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(root, 'folder-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  return folder
}

test('the same files make the same bytes, whatever their times and order of writing', async () => {
  const one = await folderWith({ a: '1', b: '2' })
  const two = await folderWith({ b: '2', a: '1' })
  await utimes(join(two, 'a'), 1, 1)
  await packFolder(one, join(root, 'one.tar'))
  await packFolder(two, join(root, 'two.tar'))
  expect(await sha256File(join(root, 'one.tar'))).toBe(await sha256File(join(root, 'two.tar')))
})

async function layers(): Promise<{ plain: Layer; compressed: Layer }> {
  const folder = await folderWith({ program: 'x'.repeat(10_000) })
  const tarFile = `${folder}.tar`
  await packFolder(folder, tarFile)
  const compressed = await compressLayer(tarFile, `${tarFile}.zst`)
  return { compressed, plain: { file: tarFile, diffId: compressed.diffId, compressed: false } }
}

async function written(layer: Layer) {
  const staging = await mkdtemp(join(root, 'staging-'))
  const archive = `${staging}.tar`
  const config = { Cmd: ['program'] }
  const digest = await writeImageArchive(archive, staging, {
    ref: 'example.org/image:v1',
    layers: [layer],
    config,
  })
  const out = `${staging}-out`
  await mkdir(out)
  await extract({ file: archive, cwd: out })
  const json = async (path: string): Promise<Record<string, never>> =>
    JSON.parse(await readFile(join(out, path), 'utf8'))
  const blob = (sum: string): string => `blobs/${sum.replace(':', '/')}`
  return { archive, digest, out, json, blob }
}

test('an archive is an image layout whose every digest is true', async () => {
  const { compressed } = await layers()
  const { digest, out, json, blob } = await written(compressed)
  const index = (await json('index.json')) as unknown as {
    manifests: [{ digest: string; size: number; annotations: Record<string, string> }]
  }
  expect(index.manifests[0].digest).toBe(digest)
  expect(index.manifests[0].annotations).toEqual({ 'io.containerd.image.name': 'example.org/image:v1' })
  const manifest = (await json(blob(digest))) as unknown as {
    config: { digest: string }
    layers: [{ digest: string; mediaType: string; size: number }]
  }
  for (const { digest: sum } of [manifest.config, ...manifest.layers])
    expect(await sha256File(join(out, blob(sum)))).toBe(sum)
  expect(manifest.layers[0].mediaType).toBe('application/vnd.oci.image.layer.v1.tar+zstd')
  expect(manifest.layers[0].size).toBeLessThan(1_000)
  const config = (await json(blob(manifest.config.digest))) as unknown as { rootfs: { diff_ids: string[] } }
  expect(config.rootfs.diff_ids).toEqual([compressed.diffId])
  // Docker 20.10 can't read zstd: it must not find its own manifest there.
  await expect(json('manifest.json')).rejects.toThrow('ENOENT')
})

test('with plain layers it is an archive for docker load too', async () => {
  const { plain } = await layers()
  const { json, out } = await written(plain)
  const [docker] = (await json('manifest.json')) as unknown as [
    { Config: string; RepoTags: string[]; Layers: string[] },
  ]
  expect(docker.RepoTags).toEqual(['example.org/image:v1'])
  for (const path of [docker.Config, ...docker.Layers])
    expect(path).toBe(`blobs/${sha256(await readFile(join(out, path))).replace(':', '/')}`)
})

test('the same image is the same archive', async () => {
  const { compressed } = await layers()
  const [one, two] = [await written(compressed), await written(compressed)]
  expect(two.digest).toBe(one.digest)
  expect(await sha256File(two.archive)).toBe(await sha256File(one.archive))
})
