import type { Outcome } from '../helpers/observation.ts'
import { UsageError, exitCodes } from '../helpers/errors.ts'
import { shown } from '../helpers/shown.ts'
import { latencyOf } from './detail.ts'
import { differencesBetween, machineDifferences } from './gate-differences.ts'
import {
  changeKinds,
  effects,
  gateSchemaVersion,
  type Change,
  type ChangeKind,
  type ComparedLeg,
  type Effect,
  type Gate,
  type Side,
} from './gate-model.ts'
import { effectIn, moves, wordsFor } from './gate-moves.ts'
import type { Leg, Run } from './model.ts'
import { count, listed } from './text.ts'
import { openEndsOf } from './verdict.ts'

/** A run and where it was read. */
export interface GateInput {
  run: Run
  /** As the user named it. */
  file: string
}

export interface GateOptions {
  /** Look at latency, too: how many times longer a check may take. */
  maxSlowdown?: number
  /** The later run may have been started before the earlier one. */
  anyOrder?: boolean
}

/**
 * How much longer the median of a check must be before it counts as slower, in milliseconds. All probes of a run start
 * at once, so that their times are those of a burst: in five runs of one cluster on a machine of two processors, no
 * two medians of a check differed by more than 180 ms, and every sixth by more than twice.
 */
export const noiseFloorMs = 250

/**
 * Compares two runs, leg by leg and check by check; legs are matched by the name of their cluster. Versions, the
 * machine and the definition may differ, which is what an upgrade is: they are shown.
 *
 * @throws {UsageError} when the runs cannot be compared
 */
export function compareRuns(before: GateInput, after: GateInput, options: GateOptions = {}): Gate {
  refuseIncomparable(before, after, options)
  const names = new Set([...before.run.legs, ...after.run.legs].map(({ cluster }) => cluster.name))
  const legs = [...names].map((name) => compareLegs(name, before.run, after.run, options))
  const counts = Object.fromEntries(changeKinds.map((kind) => [kind, 0])) as Record<ChangeKind, number>
  for (const { change } of legs.flatMap(({ changes }) => changes)) counts[change] += 1
  const { maxSlowdown } = options
  return {
    schemaVersion: gateSchemaVersion,
    before: sideOf(before),
    after: sideOf(after),
    differences: machineDifferences(before.run, after.run),
    legs,
    ...(maxSlowdown === undefined ? {} : { latency: { maxSlowdown, noiseFloorMs } }),
    counts,
    verdict: verdictOfGate(legs, before.run, after.run),
  }
}

function refuseIncomparable(before: GateInput, after: GateInput, { anyOrder }: GateOptions): void {
  const [was, is] = [before.run, after.run]
  const named = ({ legs }: Run): string =>
    legs.length === 0 ? 'no cluster' : listed(legs.map(({ cluster }) => shown(cluster.name)))
  const problems: string[] = []
  // A pipeline that compares a run with itself would be green for ever, and so would one with its runs swapped.
  const twins = is.legs.filter((leg) => was.legs.some((other) => isSameLeg(leg, is, other, was)))
  if (twins.length > 0) {
    problems.push(
      `${after.file}: legs: ${named({ ...is, legs: twins })} is of the same run as in ${before.file}; compare two runs`,
    )
  } else if (anyOrder !== true && Date.parse(is.run.startedAt) < Date.parse(was.run.startedAt)) {
    problems.push(
      `${after.file}: run.startedAt: ${is.run.startedAt} is earlier than that of ${before.file}, ${was.run.startedAt}; the earlier run comes first, or add --any-order`,
    )
  }
  const known = new Set(was.legs.map(({ cluster }) => cluster.name))
  if (!is.legs.some(({ cluster }) => known.has(cluster.name)))
    problems.push(
      `${after.file}: legs: it has ${named(is)}, and ${before.file} has ${named(was)}: no cluster in common`,
    )
  if (problems.length > 0) throw new UsageError(problems)
}

function isSameLeg(leg: Leg, run: Run, other: Leg, otherRun: Run): boolean {
  const [one, two] = [(leg.origin ?? run).run, (other.origin ?? otherRun).run]
  return leg.cluster.name === other.cluster.name && one.id === two.id && one.startedAt === two.startedAt
}

function sideOf({ run: { run, tool, verdict }, file }: GateInput): Side {
  const { id, startedAt, partial, filter } = run
  return {
    file,
    run: id,
    startedAt,
    tool,
    partial,
    ...(filter === undefined ? {} : { filter }),
    verdict: verdict.text,
  }
}

function compareLegs(name: string, before: Run, after: Run, options: GateOptions): ComparedLeg {
  const legOf = ({ legs }: Run): Leg | undefined => legs.find(({ cluster }) => cluster.name === name)
  const [was, is] = [legOf(before), legOf(after)]
  const [earlier, later] = [was, is].map(
    (leg) => new Map(leg?.outcomes.map((outcome) => [outcome.check, outcome])),
  )
  const checks = new Set([...(earlier?.keys() ?? []), ...(later?.keys() ?? [])])
  const changes = [...checks].map((check) =>
    // What a filter left out was not lost by the network.
    changeOf(earlier?.get(check), later?.get(check), after.run.partial ? 'open' : 'red', options),
  )
  const openEnds = (leg: Leg | undefined, when: string): string[] =>
    leg === undefined ? [] : openEndsOf(leg).map((end) => `${when}: ${end}`)
  return {
    name,
    in: was === undefined ? 'after' : is === undefined ? 'before' : 'both',
    differences: was === undefined || is === undefined ? [] : differencesBetween(was, is),
    open: [...openEnds(was, 'before'), ...openEnds(is, 'after')],
    changes: changes.sort((a, b) => rankOf(a) - rankOf(b)),
  }
}

const rankOf = ({ effect, change }: Change): number =>
  effects.indexOf(effect) * changeKinds.length + changeKinds.indexOf(change)

/** What became of one check; at least one of the two is there. */
function changeOf(
  was: Outcome | undefined,
  is: Outcome | undefined,
  whenAbsent: Effect,
  options: GateOptions,
): Change {
  const named = is ?? was
  if (named === undefined) throw new Error('a change of nothing')
  const move = moves[was?.outcome ?? 'absent'][is?.outcome ?? 'absent']
  const bothPassed = was?.outcome === 'passed' && is?.outcome === 'passed' ? { was, is } : undefined
  const latency = bothPassed === undefined ? undefined : latencies(bothPassed.was, bothPassed.is)
  const weaker = bothPassed === undefined ? undefined : weakeningOf(bothPassed.was, bothPassed.is)
  const slow = latency === undefined ? undefined : slownessOf(latency, options)
  const change = slow === undefined ? (weaker === undefined ? move : 'weakened') : 'slower'
  const reason =
    slow ?? weaker ?? is?.reason ?? (is === undefined ? 'the later run does not have it' : undefined)
  return {
    check: named.check,
    level: named.level,
    change,
    effect: effectIn(change, is, whenAbsent),
    ...(was === undefined ? {} : { before: was.outcome }),
    ...(is === undefined ? {} : { after: is.outcome }),
    ...(reason === undefined ? {} : { reason }),
    ...(latency === undefined ? {} : { latency }),
  }
}

/** How a check that still passes asks less than it did. */
function weakeningOf(was: Outcome, is: Outcome): string | undefined {
  const [before, now] = [probesOf(was), probesOf(is)]
  const weaker = [
    ...(was.level === 'core' && is.level !== 'core' ? [`${was.level} before, ${is.level} now`] : []),
    ...(now < before ? [`${count(before, 'probe')} before, ${now} now`] : []),
  ]
  return weaker.length === 0 ? undefined : weaker.join(', ')
}

/** Probes behind an outcome; steps count theirs, and list only some. */
function probesOf({ observations, steps }: Outcome): number {
  return steps === undefined ? observations.length : steps.reduce((sum, { probes }) => sum + probes, 0)
}

function latencies(was: Outcome, is: Outcome): Change['latency'] {
  const [beforeMs, afterMs] = [latencyOf(was), latencyOf(is)]
  return beforeMs === undefined || afterMs === undefined ? undefined : { beforeMs, afterMs }
}

function slownessOf(
  { beforeMs, afterMs }: NonNullable<Change['latency']>,
  { maxSlowdown }: GateOptions,
): string | undefined {
  if (maxSlowdown === undefined) return undefined
  if (afterMs <= beforeMs * maxSlowdown || afterMs - beforeMs <= noiseFloorMs) return undefined
  const times = beforeMs === 0 ? 'more' : `${(afterMs / beforeMs).toFixed(1)} times`
  return `median ${times} of what it was, ${maxSlowdown} times is allowed`
}

/** A regression that was seen is one, whatever else is open; short of that, nothing open may pass. */
function verdictOfGate(legs: readonly ComparedLeg[], before: Run, after: Run): Gate['verdict'] {
  const red = legs.flatMap((leg) => sentenceOf(leg, 'red'))
  const loud = legs.flatMap((leg) => sentenceOf(leg, 'loud'))
  const open = [
    ...(before.run.partial ? ['the earlier run is partial'] : []),
    ...(after.run.partial ? ['the later run is partial'] : []),
    ...legs.flatMap((leg) => leg.open.map((end) => `${leg.name} ${end}`)),
  ]
  const stillOpen = open.length > 0 ? open : legs.flatMap((leg) => sentenceOf(leg, 'open'))
  if (red.length > 0) {
    const and = stillOpen.length === 0 ? '' : ` (and no verdict on the rest: ${stillOpen.join('; ')})`
    return { exitCode: exitCodes.failed, text: `${red.join('; ')}${and}` }
  }
  if (stillOpen.length > 0)
    return { exitCode: exitCodes.inconclusive, text: `no verdict: ${stillOpen.join('; ')}` }
  const checks = count(legs.flatMap(({ changes }) => changes).length, 'check')
  const but = loud.length === 0 ? '' : `; but ${loud.join('; ')}`
  return { exitCode: exitCodes.passed, text: `no regression in ${checks}${but}` }
}

/** What of a leg has that effect, counted: `2 regressed and 1 lost on calico`. */
function sentenceOf({ name, changes }: ComparedLeg, effect: Effect): string[] {
  const here = Map.groupBy(
    changes.filter((each) => each.effect === effect),
    ({ change }) => change,
  )
  if (here.size === 0) return []
  const parts = [...here].map(([kind, those]) => `${those.length} ${wordsFor(kind, effect)}`)
  return [`${listed(parts)} on ${name}`]
}
