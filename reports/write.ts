import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SetupError, messageOf } from '../helpers/errors.ts'
import { renderHtml } from './html/page.ts'
import { renderJunit } from './junit.ts'
import { renderMarkdown } from './markdown.ts'
import type { Run } from './model.ts'
import { verdictOf } from './verdict.ts'

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
 * Writes run.json, junit.xml, summary.md and report.html, and for several legs a JUnit file of each. Synchronous, so
 * that it also works on the way out, and two calls cannot mix; each file is whole at any time, the old one or the new
 * one. run.json first: the others can be made from it.
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
  writeLegJunits(run, join(folder, 'junit'))
  return files
}

/**
 * A JUnit file for each of several legs, `junit/<leg>.xml`, for readers that show one file as one suite of tests. Those
 * of legs that the run does not have are of an earlier one, and must not be taken for its.
 */
function writeLegJunits({ legs, ...run }: Run, folder: string): void {
  const files = new Set(legs.length < 2 ? [] : legs.map(({ cluster }, at) => legFile(cluster.name, at)))
  for (const old of xmlFilesIn(folder)) if (!files.has(old)) removeQuietly(join(folder, old))
  if (files.size === 0) return
  legs.forEach((leg, at) => {
    const alone = { ...run, legs: [leg], verdict: verdictOf([leg]) }
    replaceFile(join(folder, legFile(leg.cluster.name, at)), renderJunit(alone))
  })
}

/** A definition gives a leg a name that is one of a file, too; a run.json from elsewhere may not. */
function legFile(name: string, at: number): string {
  return `${/^[a-z][a-z0-9-]{0,63}$/.test(name) ? name : `_${at + 1}`}.xml`
}

function xmlFilesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((file) => file.endsWith('.xml'))
  } catch {
    return []
  }
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
