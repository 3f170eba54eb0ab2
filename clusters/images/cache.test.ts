import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, mkdtemp, readFile, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SetupError } from '../../helpers/errors.ts'
import { silentProgress } from '../../helpers/progress.ts'
import { openCache } from './cache.ts'
import type { Recipe } from './cache.ts'

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnic-cache-'))
})
afterAll(async () => {
  await rm(root, { recursive: true })
})

async function emptyCacheDir(): Promise<string> {
  return await mkdtemp(join(root, 'cache-'))
}

/** A recipe that counts how often it is made. */
function counted(inputs: unknown): Recipe & { made: () => number } {
  let made = 0
  return {
    name: 'thing',
    inputs,
    title: 'make a thing',
    made: () => made,
    make: async (dir) => {
      made += 1
      await writeFile(join(dir, 'a'), 'content of a')
      await writeFile(join(dir, 'b'), 'content of b')
      return { origin: 'here' }
    },
  }
}

test('an entry is made once per inputs', async () => {
  const dir = await emptyCacheDir()
  const recipe = counted({ version: 1 })
  const first = await (await openCache(dir, silentProgress)).entry(recipe)
  const second = await (await openCache(dir, silentProgress)).entry(recipe)
  expect(second).toEqual(first)
  expect(second.facts).toEqual({ origin: 'here' })
  expect(recipe.made()).toBe(1)
  const other = counted({ version: 2 })
  const third = await (await openCache(dir, silentProgress)).entry(other)
  expect(other.made()).toBe(1)
  // Another recipe with the same result: what is made from it need not be made again.
  expect(third.digest).toBe(first.digest)
})

test('side by side in one process, an entry is made once', async () => {
  const cache = await openCache(await emptyCacheDir(), silentProgress)
  const recipe = counted('x')
  const entries = await Promise.all(Array.from({ length: 5 }, () => cache.entry(recipe)))
  expect(new Set(entries.map((entry) => entry.dir)).size).toBe(1)
  expect(recipe.made()).toBe(1)
})

test.for<[damage: string, (dir: string) => Promise<void>]>([
  ['a truncated file', (dir) => truncate(join(dir, 'a'), 3)],
  ['a changed byte', (dir) => writeFile(join(dir, 'a'), 'content of b')],
  ['a longer file', (dir) => appendFile(join(dir, 'b'), '!')],
  ['a missing file', (dir) => rm(join(dir, 'b'))],
  ['a half-written marker', (dir) => truncate(join(dir, 'entry.json'), 20)],
  ['a marker of something else', (dir) => writeFile(join(dir, 'entry.json'), '[]')],
  ['a missing marker', (dir) => rm(join(dir, 'entry.json'))],
])('%s is noticed and the entry is made again', async ([, damage]) => {
  const dir = await emptyCacheDir()
  const recipe = counted('x')
  const before = await (await openCache(dir, silentProgress)).entry(recipe)
  await damage(before.dir)
  const after = await (await openCache(dir, silentProgress)).entry(recipe)
  expect(recipe.made()).toBe(2)
  expect(after).toEqual(before)
  expect(await readFile(join(after.dir, 'a'), 'utf8')).toBe('content of a')
})

test('a failed make leaves nothing, says what failed, and is tried again', async () => {
  const dir = await emptyCacheDir()
  const cache = await openCache(dir, silentProgress)
  let fail = true
  const recipe: Recipe = {
    name: 'thing',
    inputs: 0,
    title: 'make a thing',
    make: async (target) => {
      await writeFile(join(target, 'half'), 'half')
      if (fail) throw Object.assign(new Error('write: no space'), { code: 'ENOSPC' })
      return undefined
    },
  }
  const failure = await cache.entry(recipe).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(SetupError)
  expect(String(failure)).toContain('could not make a thing: the disk is full')
  expect(await readdir(join(dir, 'entries'))).toEqual([])
  expect(await readdir(join(dir, 'tmp'))).toEqual([])
  fail = false
  await expect(cache.entry(recipe)).resolves.toBeDefined()
})

test('a cache that cannot be created is one clear error', async () => {
  const file = join(await emptyCacheDir(), 'file')
  await writeFile(file, '')
  await expect(openCache(join(file, 'cache'), silentProgress)).rejects.toThrow(
    /could not create the cache folder/,
  )
})

/** Another process that makes the same entry, slowly. */
async function slowMaker(dir: string, log: string, ms: number) {
  const script = join(root, 'maker.ts')
  const cacheModule = JSON.stringify(join(import.meta.dirname, 'cache.ts'))
  const progressModule = JSON.stringify(join(import.meta.dirname, '../../helpers/progress.ts'))
  await writeFile(
    script,
    `import { openCache } from ${cacheModule}
     import { silentProgress } from ${progressModule}
     import { appendFile, writeFile } from 'node:fs/promises'
     const [dir, log, ms] = process.argv.slice(2)
     const cache = await openCache(dir, silentProgress)
     await cache.entry({ name: 'slow', inputs: 'x', title: 'make slowly', make: async (target) => {
       await appendFile(log, 'made ')
       await writeFile(target + '/half', 'half')
       process.stdout.write('making')
       await new Promise((done) => setTimeout(done, Number(ms)))
       await writeFile(target + '/whole', 'whole')
       return undefined
     } })`,
  )
  const child = spawn(process.execPath, [script, dir, log, String(ms)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return { child, exited: once(child, 'exit') }
}

test('two processes do not make the same twice', async () => {
  const dir = await emptyCacheDir()
  const log = join(dir, 'log')
  const makers = await Promise.all([
    slowMaker(dir, log, 300),
    slowMaker(dir, log, 300),
    slowMaker(dir, log, 300),
  ])
  for (const { exited } of makers) expect((await exited)[0]).toBe(0)
  expect(await readFile(log, 'utf8')).toBe('made ')
}, 20_000)

test('kill -9 while an entry is made: the next process is not blocked, takes nothing half-made, tidies up', async () => {
  const dir = await emptyCacheDir()
  const log = join(dir, 'log')
  const { child, exited } = await slowMaker(dir, log, 60_000)
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await exited
  expect(await readdir(join(dir, 'entries'))).toEqual([])
  expect(await readdir(join(dir, 'tmp'))).toHaveLength(1)
  const { exited: second } = await slowMaker(dir, log, 0)
  expect((await second)[0]).toBe(0)
  expect(await readdir(join(dir, 'entries'))).toHaveLength(1)
  expect(await readdir(join(dir, 'tmp'))).toEqual([])
}, 20_000)
