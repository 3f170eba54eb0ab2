import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { createProgress, type Progress } from '../helpers/progress.ts'
import type { Journal } from '../reports/journal.ts'
import type { Run } from '../reports/model.ts'
import type { RenderOptions } from '../reports/terminal.ts'
import { renderJson } from '../reports/write.ts'
import type { TestOptions } from './options.ts'
import { newRunFolder, shownFolder } from './run-folder.ts'
import { openRunJournal } from './run-log.ts'

/** What a run works with, from its first event to its report. */
export interface RunContext {
  runId: string
  /** Of the reports. */
  folder: string
  progress: Progress
  journal: Journal
}

/**
 * The frame of every run: a folder, a journal, progress on standard error, and at the end the report on standard output.
 *
 * @returns the exit code
 */
export async function reportedRun(
  options: Parameters<typeof openRunJournal>[2] & Pick<TestOptions, 'reportDir' | 'quiet' | 'output'>,
  render: (run: Run, options: RenderOptions) => string,
  work: (context: RunContext) => Promise<Run>,
): Promise<number> {
  const runId = randomBytes(4).toString('hex')
  const folder = options.reportDir ?? (await newRunFolder(runId))
  await mkdir(folder, { recursive: true })
  const progress = createProgress({ quiet: options.quiet })
  const journal = await openRunJournal(runId, folder, options)
  try {
    const run = await work({ runId, folder, progress, journal })
    progress.close()
    process.stdout.write(
      options.output === 'json'
        ? renderJson(run)
        : `${render(run, { stream: process.stdout, folder: shownFolder(folder) })}\n`,
    )
    return run.verdict.exitCode
  } finally {
    progress.close()
    journal.close()
  }
}
