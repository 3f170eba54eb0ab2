import { stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { UsageError, exitCodes, messageOf } from '../helpers/errors.ts'
import { runFromEvents } from '../reports/journal-reader.ts'
import { renderHtml } from '../reports/html/page.ts'
import { renderJunit } from '../reports/junit.ts'
import { renderMarkdown } from '../reports/markdown.ts'
import { readRun, type Run } from '../reports/model.ts'
import { renderRun } from '../reports/terminal.ts'
import { renderJson, writeReports } from '../reports/write.ts'
import type { ReportOptions } from './options.ts'

/**
 * `report`: renders an old run again. The exit code says whether it could be rendered, not what it found: a CI job
 * shows the summary of a failed run in a step of its own.
 */
export async function reportCommand(options: ReportOptions): Promise<number> {
  const { run, folder } = await loadRun(options.run)
  if (options.reportDir === undefined) {
    process.stdout.write(renderings[options.format](run, folder))
  } else {
    const files = writeReports(run, options.reportDir)
    process.stdout.write(`${Object.values(files).join('\n')}\n`)
  }
  return exitCodes.passed
}

const renderings: Readonly<Record<ReportOptions['format'], (run: Run, folder: string) => string>> = {
  text: (run, folder) => `${renderRun(run, { stream: process.stdout, folder })}\n`,
  json: renderJson,
  junit: renderJunit,
  markdown: renderMarkdown,
  html: renderHtml,
}

/** A run.json, an events.jsonl, or a folder: its run.json, or its journal where the runner died before writing one. */
async function loadRun(path: string): Promise<{ run: Run; folder: string }> {
  if (path === '')
    throw new UsageError('report: which run? Give a run.json or its folder, such as reports/runs/latest')
  if (!(await isFolder(path))) {
    const run = await (path.endsWith('.jsonl') ? runFromEvents(path) : readRun(path))
    return { run, folder: dirname(path) }
  }
  const [report, journal] = [join(path, 'run.json'), join(path, 'events.jsonl')]
  if (await exists(report)) return { run: await readRun(report), folder: path }
  if (await exists(journal)) return { run: await runFromEvents(journal), folder: path }
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
