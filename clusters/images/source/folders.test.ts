import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createZstdDecompress } from 'node:zlib'
import { extract } from 'tar'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { silentProgress } from '../../../helpers/progress.ts'
import { openCache } from '../cache.ts'
import type { Entry } from '../cache.ts'
import type { BuildOf } from '../lock.ts'
import { buildFilesLayer, buildTgz } from './folders.ts'
import { treeLayer } from './tree.ts'
import type { Workshop } from './workshop.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnic-folders-'))
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

/** A workshop with one build, `app`, that left these files. */
async function workshopWith(files: Record<string, string>, time = 1): Promise<Workshop> {
  const cache = await openCache(await mkdtemp(join(root, 'cache-')), silentProgress)
  const app = await cache.entry({
    name: 'app',
    inputs: [],
    title: 'build app',
    make: async (dir) => {
      for (const [name, text] of Object.entries(files)) {
        await mkdir(join(dir, name, '..'), { recursive: true })
        await writeFile(join(dir, name), text, { mode: 0o600 })
        await utimes(join(dir, name), time, time)
      }
      return { builtFrom: 'app@v1' }
    },
  })
  return { cache, build: (): Promise<Entry> => Promise.resolve(app) } as unknown as Workshop
}

const files = {
  'etc/run': 'a\nb foreign\nc\n',
  'etc/service/felix/run': '#!/bin/sh\n',
  'bpf/x.c': 'x',
  'bpf/tests/y.c': 'y',
  other: '1',
}
const layer: BuildOf<'files'> = {
  recipe: 'files',
  files: { '/etc': 'app/etc', '/lib/bpf': 'app/bpf' },
  without: ['/lib/bpf/tests'],
  dropLines: { '/etc/run': 'foreign' },
}

async function unpacked(entry: Entry): Promise<string> {
  const target = await mkdtemp(join(root, 'layer-'))
  const tar = extract({ cwd: target, preserveOwner: false })
  await pipeline(createReadStream(treeLayer(entry).file), createZstdDecompress(), tar)
  return target
}

test('a layer holds the chosen folders, readable and executable for all, without what is left out', async () => {
  const target = await unpacked(await buildFilesLayer('l', layer, await workshopWith(files)))
  expect(await readFile(join(target, 'etc/run'), 'utf8')).toBe('a\nc\n')
  expect((await stat(join(target, 'etc/service/felix/run'))).mode & 0o777).toBe(0o755)
  expect(await readFile(join(target, 'lib/bpf/x.c'), 'utf8')).toBe('x')
  await expect(stat(join(target, 'lib/bpf/tests'))).rejects.toThrow(/ENOENT/)
})

test('files of the same build that are not chosen do not matter', async () => {
  const workshop = await workshopWith(files)
  const changed = await workshopWith({ ...files, other: '2' }, 2)
  const [one, two] = [
    await buildFilesLayer('l', layer, workshop),
    await buildFilesLayer('l', layer, { ...changed, cache: workshop.cache }),
  ]
  expect(two.dir).toBe(one.dir)
})

test.each([
  ['a folder that is not there', { ...layer, files: { '/etc': 'app/ets' } }, /app\/ets is not there/],
  ['a line that is not there', { ...layer, dropLines: { '/etc/run': 'gone' } }, /no line with gone/],
  ['nothing to leave out', { ...layer, without: ['/lib/bpf/test'] }, /ENOENT/],
] as const)('%s is an error of the recipe', async (_, build, message) => {
  await expect(buildFilesLayer('l', build as BuildOf<'files'>, await workshopWith(files))).rejects.toThrow(
    message,
  )
})

test('a packed folder has its own name at the root, and equal bytes for equal files', async () => {
  const build = { recipe: 'tgz', folder: 'app/bpf', name: 'bpf.tgz' } as const
  const [one, two] = await Promise.all(
    [1, 2].map(async (time) => buildTgz('t', build, await workshopWith(files, time))),
  )
  expect(two?.digest).toBe(one?.digest)
  const target = await mkdtemp(join(root, 'tgz-'))
  const packed = await readFile(join(one?.dir ?? '', 'bpf.tgz'))
  await pipeline(Readable.from(packed), extract({ cwd: target }))
  expect(await readFile(join(target, 'bpf/tests/y.c'), 'utf8')).toBe('y')
})
