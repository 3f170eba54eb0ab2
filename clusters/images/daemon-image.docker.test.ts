import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { silentProgress } from '../../helpers/progress.ts'
import { openCache } from './cache.ts'
import { imageInDaemon } from './daemon-image.ts'
import type { ImageFile } from './derive.ts'
import { docker, imageId } from './docker.ts'
import { compressLayer, packFolder, writeImageArchive } from './oci.ts'
import { sha256File } from './tools.ts'

const { signal } = new AbortController()
const name = 'cni-conformance/image:daemon-test'
let root = ''
const made = new Set<string>()

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnic-daemon-'))
})
afterAll(async () => {
  for (const ref of made) await docker(['image', 'rm', ref], { what: 'tidy up' })
  await rm(root, { recursive: true })
})

/** An image of two layers as our own builds write it for containerd, or as Docker saves it. */
async function image(compressed: boolean): Promise<ImageFile> {
  const folder = await mkdtemp(join(root, 'image-'))
  const layers = await Promise.all(
    ['below', 'above'].map(async (content) => {
      const files = join(folder, content)
      await mkdir(files)
      await writeFile(join(files, content), content)
      const plain = join(folder, `${content}.tar`)
      await packFolder(files, plain)
      if (compressed) return await compressLayer(plain, `${plain}.zst`)
      return { file: plain, diffId: await sha256File(plain), compressed }
    }),
  )
  const file = join(folder, 'image.tar')
  const config = { Entrypoint: ['/below'], Env: ['A=b'] }
  await writeImageArchive(file, join(folder, 'layout'), { ref: name, layers, config })
  return { file, sha256: await sha256File(file), nameInFile: name, upstream: 'registry.example/x:v1' }
}

test.each([true, false])('an archive with compressed layers: %s', async (compressed) => {
  const cache = await openCache(join(root, 'cache'), silentProgress)
  const file = await image(compressed)
  const ref = await imageInDaemon(file, { cache, signal })
  made.add(ref)
  const shown = await docker(
    ['image', 'inspect', '--format', '{{json .Config.Env}} {{len .RootFS.Layers}}', ref],
    {
      what: 'look at the image',
    },
  )
  expect(shown).toBe('["A=b"] 2')
  expect(await imageId(name)).toBeUndefined()
  const before = await imageId(ref)
  expect(await imageInDaemon(file, { cache, signal })).toBe(ref)
  expect(await imageId(ref)).toBe(before)
})
