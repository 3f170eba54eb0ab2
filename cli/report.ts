import { exitCodes } from '../helpers/errors.ts'
import { renderHtml } from '../reports/html/page.ts'
import { renderJunit } from '../reports/junit.ts'
import { renderMarkdown } from '../reports/markdown.ts'
import type { Run } from '../reports/model.ts'
import { renderRun } from '../reports/terminal.ts'
import { renderJson, writeReports } from '../reports/write.ts'
import { loadRun } from './load-run.ts'
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

/** What a file can hold, by the name of its format. */
export const fileFormats: Readonly<Record<Exclude<ReportOptions['format'], 'text'>, (run: Run) => string>> = {
  json: renderJson,
  junit: renderJunit,
  markdown: renderMarkdown,
  html: renderHtml,
}

const renderings: Readonly<Record<ReportOptions['format'], (run: Run, folder: string) => string>> = {
  text: (run, folder) => `${renderRun(run, { stream: process.stdout, folder })}\n`,
  ...fileFormats,
}
