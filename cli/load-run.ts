import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { UsageError, messageOf } from '../helpers/errors.ts'
import { contradictionsIn } from '../reports/consistency.ts'
import { runFromEvents } from '../reports/journal-reader.ts'
import { readRun, type Run } from '../reports/model.ts'
import type { Problems } from './flags.ts'
import { readTool } from './tool.ts'

/** A run and where it was. */
export interface LoadedRun {
  run: Run
  /** The file that was read. */
  file: string
  /** Folder of its reports. */
  folder: string
}

/** Reads runs that something will be decided on; everything wrong with any of them is in `problems` together. */
export async function loadSoundRuns(paths: readonly string[], problems: Problems): Promise<LoadedRun[]> {
  const loaded: LoadedRun[] = []
  for (const path of paths) {
    const found = await problems.collect(() => loadRun(path))
    if (found === undefined) continue
    for (const line of contradictionsIn(found.run, found.file, readTool().version)) problems.add(line)
    loaded.push(found)
  }
  return loaded
}

/**
 * Reads a run.json, an events.jsonl, or a folder: its run.json, or its journal where the runner died before writing one.
 *
 * @throws {UsageError} with every problem of the file
 */
export async function loadRun(path: string): Promise<LoadedRun> {
  if (path === '')
    throw new UsageError('which run? Give a run.json or its folder, such as reports/runs/latest')
  if (!(await isFolder(path))) {
    const run = await (path.endsWith('.jsonl') ? runFromEvents(path) : readRun(path))
    return { run, file: path, folder: dirname(path) }
  }
  const [report, journal] = [join(path, 'run.json'), join(path, 'events.jsonl')]
  if (await exists(report)) return { run: await readRun(report), file: report, folder: path }
  if (await exists(journal)) return { run: await runFromEvents(journal), file: journal, folder: path }
  throw new UsageError(`${path}: holds neither run.json nor events.jsonl`)
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    throw new UsageError(`${path}: ${messageOf(error)}`)
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
