import { mkdir, rm, symlink } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'

/**
 * A new folder for the reports of a run, below the working directory as `report reports/runs/latest` finds it; named by
 * time, so that they sort, with `latest` pointing at it.
 */
export async function newRunFolder(runId: string): Promise<string> {
  const runsFolder = resolve('reports', 'runs')
  const name = `${new Date().toISOString().replaceAll(/[:.]/g, '-').slice(0, 19)}-${runId}`
  await mkdir(join(runsFolder, name), { recursive: true })
  const latest = join(runsFolder, 'latest')
  await rm(latest, { force: true })
  await symlink(name, latest)
  return join(runsFolder, name)
}

/** The folder as a user would type it. */
export function shownFolder(folder: string): string {
  const path = relative(process.cwd(), folder)
  return dirname(path).startsWith('..') ? folder : path
}
