import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError, messageOf } from '../helpers/errors.ts'
import { renderHtml } from './html/page.ts'
import { renderJunit } from './junit.ts'
import { renderMarkdown } from './markdown.ts'
import type { Run } from './model.ts'

/** Where the reports of a run lie. */
export interface ReportFiles {
  run: string
  junit: string
  summary: string
  page: string
}

/** run.json as it is written, also to standard output. */
export function renderJson(run: Run): string {
  return `${JSON.stringify(run, undefined, 2)}\n`
}

/**
 * Writes run.json, junit.xml, summary.md and report.html. Synchronous, so that it also works on the way out, and two calls cannot
 * mix; each file is whole at any time, the old one or the new one. run.json first: the others can be made from it.
 *
 * @throws {SetupError} when a file cannot be written
 */
export function writeReports(run: Run, folder: string): ReportFiles {
  const files: ReportFiles = {
    run: join(folder, 'run.json'),
    junit: join(folder, 'junit.xml'),
    summary: join(folder, 'summary.md'),
    page: join(folder, 'report.html'),
  }
  replaceFile(files.run, renderJson(run))
  replaceFile(files.junit, renderJunit(run))
  replaceFile(files.summary, renderMarkdown(run))
  replaceFile(files.page, renderHtml(run))
  return files
}

function replaceFile(path: string, content: string): void {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(temporary, content)
    renameSync(temporary, path)
  } catch (error) {
    removeQuietly(temporary)
    throw new SetupError({
      what: `the report ${path} cannot be written`,
      seen: messageOf(error),
      next: 'free some space there, or choose another folder with --report-dir',
      cause: error,
    })
  }
}

/** What is in the way of writing may be in the way of removing too; the first error is the one to tell. */
function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // Told by the caller.
  }
}
