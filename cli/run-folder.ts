import { lstat, mkdir, rm, symlink } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { UsageError } from '../helpers/errors.ts'

/**
 * A new folder for the reports of a run, below the working directory as `report reports/runs/latest` finds it; named by
 * time, so that they sort, with `latest` pointing at it.
 *
 * @throws {UsageError} where `latest` is not a link: it is not ours
 */
export async function newRunFolder(runId: string): Promise<string> {
  const runsFolder = resolve('reports', 'runs')
  const name = `${new Date().toISOString().replaceAll(/[:.]/g, '-').slice(0, 19)}-${runId}`
  const latest = join(runsFolder, 'latest')
  const former = await lstat(latest).catch(() => undefined)
  if (former?.isSymbolicLink() === false) {
    const where = join('reports', 'runs', 'latest')
    throw new UsageError(
      `${where}: expected the link to the last run, found something else; move it away, or give --report-dir`,
    )
  }
  await mkdir(join(runsFolder, name), { recursive: true })
  await rm(latest, { force: true })
  await symlink(name, latest)
  return join(runsFolder, name)
}

/** The folder as a user would type it. */
export function shownFolder(folder: string): string {
  const path = relative(process.cwd(), folder)
  return dirname(path).startsWith('..') ? folder : path
}
