import { randomBytes } from 'node:crypto'
import { mkdir, open, readFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { z } from 'zod'
import type { Progress, Step } from '../../helpers/progress.ts'
import { isRunning } from '../identity.ts'
import { withFileLock } from './file-lock.ts'
import { explained, sha256, sha256File, shortHash } from './tools.ts'

const entryFile = 'entry.json'
const entrySchema = z.strictObject({
  name: z.string(),
  inputs: z.unknown(),
  files: z.record(z.string(), z.strictObject({ size: z.number(), sha256: z.string() })),
  facts: z.record(z.string(), z.string()),
})

/** One finished piece of work: a folder whose every file is known by size and sha256. */
export interface Entry {
  dir: string
  /** sha256 over the files, names and contents; two builds with the same result have the same digest. */
  digest: string
  /** Path inside `dir` -> content. */
  files: Record<string, { size: number; sha256: string }>
  /** What the builder found out and wants to keep, such as the sum of a Go module. */
  facts: Record<string, string>
}

/** How an entry is made when it isn't there. */
export interface Recipe {
  /** Readable first part of the folder's name. */
  name: string
  /** Everything that goes into the result: JSON. A change of any of it makes a new entry. */
  inputs: unknown
  /** Title of the progress step: "build kubelet". */
  title: string
  /** Fills the empty folder `dir`. May return facts. */
  make(dir: string, step: Step): Promise<Record<string, string> | undefined>
}

/** A content-addressed cache on disk, shared by all processes of a user. */
export interface Cache {
  dir: string
  /** The entry of that recipe, checked; made if it is missing or damaged. */
  entry(recipe: Recipe): Promise<Entry>
  /** Resolves when nothing is being made any more, whether it worked or not. */
  idle(): Promise<void>
  /** A new empty folder on the cache's file system, removed after `work`. */
  withTempDir<T>(name: string, work: (dir: string) => Promise<T>): Promise<T>
}

/**
 * Opens the cache, creating it where needed, and removes what killed processes left half made.
 *
 * An entry is made in `tmp/` and renamed into `entries/`: a folder there is whole, or its files have been damaged
 * since, which their recorded size and sha256 tell. Each entry has a lock, so that two processes don't make it twice.
 */
export async function openCache(dir: string, progress: Progress, signal?: AbortSignal): Promise<Cache> {
  await mkdirs(dir)
  await removeLeftovers(join(dir, 'tmp'))
  const withTempDir: Cache['withTempDir'] = async (name, work) => {
    const temp = join(dir, 'tmp', `${process.pid}-${name}-${randomBytes(4).toString('hex')}`)
    await mkdir(temp, { recursive: true })
    try {
      return await work(temp)
    } finally {
      await rm(temp, { recursive: true, force: true })
    }
  }
  const inProcess = new Map<string, Promise<Entry>>()
  const entry = (recipe: Recipe): Promise<Entry> => {
    const id = `${recipe.name}-${shortHash(recipe.inputs)}`
    const running = inProcess.get(id)
    if (running !== undefined) return running
    const made = madeEntry(id, recipe, { dir, progress, signal, withTempDir })
    inProcess.set(id, made)
    // A failure is not remembered: the next request tries again.
    made.catch(() => inProcess.delete(id))
    return made
  }
  const idle = async (): Promise<void> => void (await Promise.allSettled(inProcess.values()))
  return { dir, entry, idle, withTempDir }
}

interface Workshop {
  dir: string
  progress: Progress
  signal: AbortSignal | undefined
  withTempDir: Cache['withTempDir']
}

async function madeEntry(id: string, recipe: Recipe, workshop: Workshop): Promise<Entry> {
  const path = join(workshop.dir, 'entries', id)
  const there = await readEntry(path)
  if (there !== undefined) return there
  return await workshop.progress.step(recipe.title, async (step) => {
    const onWait = (): void => step.update('waiting for another process that is making the same')
    const options = { onWait, signal: workshop.signal }
    return await withFileLock(
      join(workshop.dir, 'locks', id),
      () => makeUnderLock(path, recipe, workshop, step),
      options,
    )
  })
}

async function makeUnderLock(path: string, recipe: Recipe, workshop: Workshop, step: Step): Promise<Entry> {
  step.update('')
  const there = await readEntry(path)
  if (there !== undefined) return there
  try {
    await workshop.withTempDir(recipe.name, async (temp) => {
      const content = join(temp, 'content')
      await mkdir(content)
      const facts = (await recipe.make(content, step)) ?? {}
      workshop.signal?.throwIfAborted()
      await writeEntry(content, recipe, facts)
      // What is there now is damaged, else readEntry had taken it.
      await rm(path, { recursive: true, force: true })
      await rename(content, path)
    })
  } catch (error) {
    workshop.signal?.throwIfAborted()
    throw explained(error, recipe.title, 'run the same command again; finished parts are kept')
  }
  const made = await readEntry(path)
  if (made === undefined) throw new Error(`the cache entry ${path} changed while it was made`)
  return made
}

async function writeEntry(dir: string, recipe: Recipe, facts: Record<string, string>): Promise<void> {
  const files: Entry['files'] = {}
  for (const file of await listFiles(dir)) {
    const full = join(dir, file)
    files[file] = { size: (await stat(full)).size, sha256: await sha256File(full) }
  }
  const text = JSON.stringify({ name: recipe.name, inputs: recipe.inputs, files, facts }, undefined, 1)
  const handle = await open(join(dir, entryFile), 'w')
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The entry in that folder, every byte checked; undefined where anything is missing or differs. */
async function readEntry(dir: string): Promise<Entry | undefined> {
  let parsed: z.infer<typeof entrySchema>
  try {
    parsed = entrySchema.parse(JSON.parse(await readFile(join(dir, entryFile), 'utf8')))
  } catch {
    return undefined
  }
  for (const [file, expected] of Object.entries(parsed.files)) {
    const path = join(dir, file)
    // The size first: a truncated file of 600 MB is found without reading it.
    const size = await stat(path).then(
      (found) => found.size,
      () => -1,
    )
    if (size !== expected.size || (await sha256File(path)) !== expected.sha256) return undefined
  }
  // writeEntry lists the files in order.
  const contents = Object.entries(parsed.files).map(([file, found]) => [file, found.sha256])
  return { dir, digest: sha256(JSON.stringify(contents)), files: parsed.files, facts: parsed.facts }
}

async function listFiles(dir: string): Promise<string[]> {
  const found = await readdir(dir, { recursive: true, withFileTypes: true })
  return found
    .filter((item) => item.isFile())
    .map((item) => relative(dir, join(item.parentPath, item.name)))
    .toSorted()
}

async function mkdirs(dir: string): Promise<void> {
  try {
    for (const part of ['entries', 'locks', 'tmp']) await mkdir(join(dir, part), { recursive: true })
  } catch (error) {
    throw explained(
      error,
      `create the cache folder ${dir}`,
      'set XDG_CACHE_HOME to a folder that you can write',
    )
  }
}

async function removeLeftovers(tempRoot: string): Promise<void> {
  for (const name of await readdir(tempRoot)) {
    const pid = Number(name.split('-')[0])
    // What can't be removed now, say because a dying debootstrap still mounts it, goes next time.
    if (!isRunning(pid))
      await rm(join(tempRoot, name), { recursive: true, force: true }).catch(() => undefined)
  }
}
