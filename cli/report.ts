import { exitCodes } from '../helpers/errors.ts'
import { renderHtml } from '../reports/html/page.ts'
import { renderJunit } from '../reports/junit.ts'
import { renderMarkdown } from '../reports/markdown.ts'
import type { Run } from '../reports/model.ts'
import { renderRun } from '../reports/terminal.ts'
import { renderJson, writeReports } from '../reports/write.ts'
import { loadRun } from './load-run.ts'
import type { MergeOptions, ReportOptions } from './options.ts'

/** Flags of `report` as commander leaves them. */
export interface ReportFlags extends Omit<MergeOptions, 'format'> {
  format?: string
}

/**
 * `report`: renders an old run again. The exit code says whether it could be rendered, not what it found, as long as
 * nobody asks for that: a CI job shows the summary of a failed run in a step of its own.
 *
 * @param path of a run.json, or of the folder that it lies in
 */
export async function reportCommand(path: string, options: ReportOptions): Promise<number> {
  const { run, folder } = await loadRun(path)
  if (options.reportDir === undefined) {
    process.stdout.write(renderings[options.format](run, folder))
  } else {
    const files = writeReports(run, options.reportDir)
    process.stdout.write(`${Object.values(files).join('\n')}\n`)
  }
  return exitCodeOf(run, options)
}

/** 0, or with --exit-code that of the run. */
export function exitCodeOf(run: Run, { exitCode }: ReportOptions): number {
  return exitCode === true ? run.verdict.exitCode : exitCodes.passed
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
