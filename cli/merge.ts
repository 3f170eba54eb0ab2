import { randomBytes } from 'node:crypto'
import { relative, sep } from 'node:path'
import type { LoadedDefinition } from '../clusters/definition.ts'
import type { NewEvent } from '../reports/events.ts'
import { foldEvents } from '../reports/fold.ts'
import { mergeRuns, withLegs } from '../reports/merge.ts'
import { renderOverview } from '../reports/terminal.ts'
import type { Run, SetupFailure } from '../reports/model.ts'
import { writeReports } from '../reports/write.ts'
import type { Problems } from './flags.ts'
import { loadSoundRuns } from './load-run.ts'
import type { MergeOptions, ReportOptions } from './options.ts'
import { exitCodeOf, fileFormats } from './report.ts'
import { declaredCluster, runStarted } from './run-log.ts'
import { readClusters, refuseFile } from './test-options.ts'

/**
 * `report merge`: several runs become one, such as the legs of a matrix that ran on machines of their own. Evidence
 * stays where it is; the merged report leads to it from its own folder, or from here where it has none. A leg that is
 * expected and in none of them is a leg that did not run: what is missing must not look like less to do.
 *
 * @returns the exit code: whether they could be merged, or with --exit-code what they found
 * @throws {UsageError} with everything that is wrong with any run, and every conflict between them
 */
export async function mergeCommand(
  paths: readonly string[],
  options: MergeOptions,
  problems: Problems,
): Promise<number> {
  const { format, reportDir, expect = [] } = options
  if (paths.length === 0 && expect.length === 0)
    problems.add('report merge: which runs? Give each run.json or its folder')
  if (reportDir !== undefined) await refuseFile('--report-dir', reportDir, problems)
  const expected = expect.length === 0 ? [] : await readClusters(expect, problems)
  const loaded = await loadSoundRuns(paths, problems)
  const inputs = loaded.map(({ run, file, folder }) => ({
    run,
    file,
    folder: pathBetween(reportDir, folder),
  }))
  const id = randomBytes(4).toString('hex')
  // Conflicts are told with the rest: a file that cannot be read does not hide them.
  const merged = inputs.length === 0 ? undefined : await problems.collect(() => mergeRuns(inputs, id))
  problems.throwIfAny()
  const run = await withMissing(merged, expected, id)
  if (reportDir === undefined) process.stdout.write(renderings[format](run))
  else process.stdout.write(`${Object.values(writeReports(run, reportDir)).join('\n')}\n`)
  return exitCodeOf(run, options)
}

const renderings: Readonly<Record<ReportOptions['format'], (run: Run) => string>> = {
  text: (run) => `${renderOverview(run, { stream: process.stdout })}\n`,
  ...fileFormats,
}

/** The merged run, with a leg that did not run for each cluster that is expected and not there. */
async function withMissing(
  merged: Run | undefined,
  expected: readonly LoadedDefinition[],
  id: string,
): Promise<Run> {
  const there = new Set(merged?.legs.map(({ cluster }) => cluster.name))
  const missing = expected.filter(({ definition }) => !there.has(definition.name))
  if (merged !== undefined && missing.length === 0) return merged
  const catalogue = await import('../suites/catalogue.ts')
  const asked = merged && new Set(merged.legs.flatMap(({ outcomes }) => outcomes.map(({ check }) => check)))
  const checks = catalogue.checks.filter(({ id }) => asked?.has(id) !== false)
  const events: NewEvent[] = [
    await runStarted(id, {
      clusters: missing.map(declaredCluster),
      checks,
      profile: merged?.run.profile ?? 'extended',
      filter: merged?.run.filter,
    }),
    ...missing.map(({ definition: { name } }): NewEvent => ({
      type: 'setup-failed',
      leg: name,
      failure: noReport(name),
    })),
  ]
  const at = new Date().toISOString()
  const without = foldEvents(events.map((event) => ({ at, ...event })))
  return merged === undefined ? without : withLegs(merged, without.legs)
}

const noReport = (name: string): SetupFailure => ({
  phase: 'report',
  what: `no report of ${name} is among those that were merged`,
  next: `look at what the job of ${name} printed: it ended before it could write a run.json`,
})

function pathBetween(from: string | undefined, to: string): string {
  return relative(from ?? process.cwd(), to).replaceAll(sep, '/')
}
