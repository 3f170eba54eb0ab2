import { posix } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { UsageError } from '../helpers/errors.ts'
import { shown } from '../helpers/shown.ts'
import type { Leg, Run } from './model.ts'
import { verdictOf } from './verdict.ts'

/** A run that becomes part of a merged one. */
export interface MergeInput {
  run: Run
  /** As messages name it. */
  file: string
  /** Folder of its reports, relative to those of the merged run, with slashes. */
  folder: string
}

/**
 * One run out of several, such as the legs of a matrix that ran on machines of their own. Each leg keeps in `origin`
 * what the merged run has only one of, and the paths of its evidence lead to where it lies.
 *
 * @param id of the merged run
 * @throws {UsageError} with one line for each conflict
 */
export function mergeRuns(inputs: readonly MergeInput[], id: string): Run {
  const [first] = inputs
  const conflicts = [
    ...inputs.flatMap(({ run, file }) =>
      run.legs.length === 0 ? [`${file}: legs: there are none: nothing to merge`] : [],
    ),
    ...toolConflicts(inputs),
    ...legConflicts(inputs),
  ]
  if (first === undefined) conflicts.push('nothing to merge')
  if (first === undefined || conflicts.length > 0) throw new UsageError(conflicts)
  const legs = inputs.flatMap(({ run, folder }) => run.legs.map((leg) => legFrom(leg, run, folder)))
  const profiles = new Set(inputs.map(({ run }) => run.run.profile))
  const [profile] = profiles.size === 1 ? profiles : []
  const filters = new Set(inputs.flatMap(({ run }) => run.run.filter ?? []))
  return {
    schemaVersion: first.run.schemaVersion,
    tool: first.run.tool,
    run: {
      id,
      startedAt: earliest(inputs.map(({ run }) => run.run.startedAt)),
      endedAt: latest(inputs.map(({ run }) => run.run.endedAt)),
      ...(profile === undefined ? {} : { profile }),
      partial: inputs.some(({ run }) => run.run.partial),
      ...(filters.size === 0 ? {} : { filter: [...filters].join(', ') }),
    },
    legs,
    machine: first.run.machine,
    verdict: verdictOf(legs),
  }
}

/** A merged run with further legs, of which no run has told anything. */
export function withLegs(run: Run, legs: readonly Leg[]): Run {
  const all = [...run.legs, ...legs]
  return { ...run, legs: all, verdict: verdictOf(all) }
}

function legFrom(leg: Leg, { run, machine, parallel }: Run, folder: string): Leg {
  const origin = leg.origin ?? {
    run,
    machine,
    ...(parallel === undefined ? {} : { parallel }),
    folder: '',
  }
  return {
    ...leg,
    outcomes: leg.outcomes.map((outcome) => withEvidenceBelow(folder, outcome)),
    origin: { ...origin, folder: posix.join(folder, origin.folder) },
  }
}

/** The outcome as a report says it whose folder is not that of the leg's own report. */
export function withEvidenceBelow<Each extends { evidence?: string | undefined }>(
  folder: string,
  outcome: Each,
): Each {
  const { evidence } = outcome
  return evidence === undefined ? outcome : { ...outcome, evidence: posix.join(folder, evidence) }
}

/** Another version may judge in another way: in one matrix that would look like a difference between clusters. */
function toolConflicts(inputs: readonly MergeInput[]): string[] {
  const named = ({ run: { tool } }: MergeInput): string => `${tool.name} ${tool.version}`
  const [first, ...others] = inputs
  if (first === undefined) return []
  return others
    .filter((each) => named(each) !== named(first))
    .map(
      (each) =>
        `${each.file}: tool: made by ${shown(named(each))}, but ${first.file} by ${shown(named(first))}`,
    )
}

function legConflicts(inputs: readonly MergeInput[]): string[] {
  const conflicts: string[] = []
  const seen = new Map<string, { leg: Leg; file: string }>()
  let asked: { checks: string; file: string } | undefined
  for (const { run, file } of inputs) {
    run.legs.forEach((leg, index) => {
      const { name, checksSha256 } = leg.cluster
      const twin = seen.get(name)
      seen.set(name, twin ?? { leg, file })
      asked ??= { checks: checksSha256, file }
      if (twin !== undefined) {
        const what = isDeepStrictEqual(twin.leg, leg) ? 'the same results' : 'other results'
        conflicts.push(
          `${file}: legs[${index}].cluster.name: ${shown(name)} is in ${twin.file} too, with ${what}; give each leg once`,
        )
      } else if (checksSha256 !== asked.checks) {
        conflicts.push(
          `${file}: legs[${index}].cluster.checksSha256: ${shown(name)} was asked other checks than the legs of ${asked.file}; use the same --check and --profile`,
        )
      }
    })
  }
  return conflicts
}

// ISO 8601 in UTC, but with or without fractions of a second: not to be compared as text.
const earliest = (times: string[]): string => times.reduce((a, b) => (Date.parse(b) < Date.parse(a) ? b : a))
const latest = (times: string[]): string => times.reduce((a, b) => (Date.parse(b) > Date.parse(a) ? b : a))
