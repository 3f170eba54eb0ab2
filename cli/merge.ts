import { randomBytes } from 'node:crypto'
import { relative, sep } from 'node:path'
import { exitCodes } from '../helpers/errors.ts'
import { mergeRuns } from '../reports/merge.ts'
import { renderOverview } from '../reports/terminal.ts'
import type { Run } from '../reports/model.ts'
import { writeReports } from '../reports/write.ts'
import type { Problems } from './flags.ts'
import { loadSoundRuns } from './load-run.ts'
import type { ReportOptions } from './options.ts'
import { fileFormats } from './report.ts'
import { refuseFile } from './test-options.ts'

/**
 * `report merge`: several runs become one, such as the legs of a matrix that ran on machines of their own. Evidence
 * stays where it is; the merged report leads to it from its own folder, or from here where it has none.
 *
 * @returns the exit code: whether they could be merged, not what they found
 * @throws {UsageError} with everything that is wrong with any run, and every conflict between them
 */
export async function mergeCommand(
  paths: readonly string[],
  { format, reportDir }: Pick<ReportOptions, 'format' | 'reportDir'>,
  problems: Problems,
): Promise<number> {
  if (paths.length === 0) problems.add('report merge: which runs? Give each run.json or its folder')
  if (reportDir !== undefined) await refuseFile('--report-dir', reportDir, problems)
  const loaded = await loadSoundRuns(paths, problems)
  const inputs = loaded.map(({ run, file, folder }) => ({
    run,
    file,
    folder: pathBetween(reportDir, folder),
  }))
  // Conflicts are told with the rest: a file that cannot be read does not hide them.
  const merged =
    inputs.length === 0
      ? undefined
      : await problems.collect(() => mergeRuns(inputs, randomBytes(4).toString('hex')))
  problems.throwIfAny()
  if (merged === undefined) throw new Error('merging left nothing')
  if (reportDir === undefined) process.stdout.write(renderings[format](merged))
  else process.stdout.write(`${Object.values(writeReports(merged, reportDir)).join('\n')}\n`)
  return exitCodes.passed
}

const renderings: Readonly<Record<ReportOptions['format'], (run: Run) => string>> = {
  text: (run) => `${renderOverview(run, { stream: process.stdout })}\n`,
  ...fileFormats,
}

function pathBetween(from: string | undefined, to: string): string {
  return relative(from ?? process.cwd(), to).replaceAll(sep, '/')
}
