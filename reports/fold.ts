import type { Outcome } from '../helpers/observation.ts'
import type { RunEvent } from './events.ts'
import { diagnose } from './ladder.ts'
import {
  schemaVersion,
  type Abort,
  type Cluster,
  type Identity,
  type Leg,
  type Machine,
  type Parallel,
  type Phase,
  type PlannedCheck,
  type Provenance,
  type Run,
  type SetupFailure,
} from './model.ts'
import { oneLine } from './text.ts'
import { verdictOf } from './verdict.ts'

/** A leg while its events come in. */
interface OpenLeg {
  cluster: Cluster
  planned: PlannedCheck[]
  identity: Identity
  provenance: Provenance[]
  phases: (Phase & { running?: true })[]
  readiness?: Leg['readiness']
  coverage?: Leg['coverage']
  setupFailure?: SetupFailure
  outcomes: Map<string, Outcome>
  /** The leg was over, or was cut short; whichever came first. */
  ended: boolean
  abortedBy?: Abort
}

/**
 * The run that the events tell of; they may end anywhere after the first. Planned checks without an outcome become
 * `not-run`, each with its reason.
 *
 * @throws {Error} when the first event is not `run-started`
 */
export function foldEvents(events: readonly RunEvent[]): Run {
  const [first, ...rest] = events
  if (first?.type !== 'run-started') throw new Error('a journal begins with run-started')
  const legs = new Map(first.legs.map(({ cluster, planned }) => [cluster.name, openLeg(cluster, planned)]))
  let machine: Machine = first.machine
  let parallel: Parallel | undefined
  for (const event of rest) {
    if (event.type === 'machine') machine = event.machine
    else if (event.type === 'parallel') parallel = event.parallel
    else if (event.type === 'aborted') cutShort(abortedLegs(legs, event.leg), event.by)
    else if ('leg' in event) applyToLeg(legs.get(event.leg), event)
  }
  const endedAt = events.at(-1)?.at ?? first.at
  const closed = [...legs.values()].map((leg) => closeLeg(leg, endedAt))
  return {
    schemaVersion,
    tool: first.tool,
    run: { ...first.run, endedAt },
    legs: closed,
    machine,
    ...(parallel === undefined ? {} : { parallel }),
    verdict: verdictOf(closed),
  }
}

function abortedLegs(legs: ReadonlyMap<string, OpenLeg>, name: string | undefined): OpenLeg[] {
  return name === undefined ? [...legs.values()] : [legs.get(name)].filter((leg) => leg !== undefined)
}

function openLeg(cluster: Cluster, planned: PlannedCheck[]): OpenLeg {
  return {
    cluster,
    planned,
    identity: { nodes: [] },
    provenance: [],
    phases: [],
    outcomes: new Map(),
    ended: false,
  }
}

/** Whatever was not over by then was cut short, also the legs that had not begun. */
function cutShort(legs: readonly OpenLeg[], by: Abort): void {
  for (const leg of legs) if (!leg.ended) leg.abortedBy ??= by
}

function applyToLeg(leg: OpenLeg | undefined, event: Extract<RunEvent, { leg: string }>): void {
  // An event of a leg that was never announced has no place in a report.
  if (leg === undefined) return
  switch (event.type) {
    case 'phase-started':
      leg.phases.push({ name: event.name, startedAt: event.at, ms: 0, ok: false, running: true })
      return
    case 'phase-ended': {
      const phase = leg.phases.findLast(({ name, running }) => name === event.name && running === true)
      if (phase === undefined) return
      delete phase.running
      const { ms, ok, detail } = event
      Object.assign(phase, { ms, ok }, detail === undefined ? {} : { detail })
      return
    }
    case 'leg-identity':
      leg.identity = event.identity
      return
    case 'provenance':
      leg.provenance = event.provenance
      return
    case 'coverage':
      leg.coverage = event.coverage
      return
    case 'readiness':
      leg.readiness = event.readiness
      return
    case 'outcome':
      leg.outcomes.set(event.outcome.check, event.outcome)
      return
    case 'setup-failed':
      // The first failure is the cause; what fails because of it, or because of an abort, is not.
      if (leg.abortedBy === undefined) leg.setupFailure ??= event.failure
      return
    case 'leg-ended':
      leg.ended = true
  }
}

function closeLeg(leg: OpenLeg, endedAt: string): Leg {
  const reason = notRunReason(leg)
  const planned = new Set(leg.planned.map(({ check }) => check))
  const outcomes = [
    ...leg.planned.map((check) => leg.outcomes.get(check.check) ?? notRun(check, reason)),
    ...[...leg.outcomes.values()].filter(({ check }) => !planned.has(check)),
  ]
  const diagnosis = diagnose(outcomes)
  return {
    cluster: leg.cluster,
    identity: leg.identity,
    provenance: leg.provenance,
    phases: leg.phases.map((phase) => closePhase(phase, endedAt)),
    ...(leg.readiness === undefined ? {} : { readiness: leg.readiness }),
    ...(leg.coverage === undefined ? {} : { coverage: leg.coverage }),
    ...(leg.setupFailure === undefined ? {} : { setupFailure: leg.setupFailure }),
    outcomes,
    ...(diagnosis === undefined ? {} : { diagnosis }),
    ...(leg.abortedBy === undefined ? {} : { abortedBy: leg.abortedBy }),
  }
}

function closePhase({ running, ...phase }: OpenLeg['phases'][number], endedAt: string): Phase {
  if (running !== true) return phase
  const ms = Math.max(0, Date.parse(endedAt) - Date.parse(phase.startedAt))
  return { ...phase, ms, detail: 'did not end' }
}

function notRun(planned: PlannedCheck, reason: string): Outcome {
  return { ...planned, outcome: 'not-run', reason, durationMs: 0, observations: [] }
}

function notRunReason(leg: OpenLeg): string {
  const where = leg.phases.findLast(({ running }) => running === true)?.name ?? leg.phases.at(-1)?.name
  const inPhase = where === undefined ? 'before the first phase' : `in phase ${where}`
  if (leg.setupFailure !== undefined)
    return `set-up failed in phase ${leg.setupFailure.phase}: ${oneLine(leg.setupFailure.what, 200)}`
  if (leg.abortedBy === 'timeout') return `the time of the run was over ${inPhase}`
  if (leg.abortedBy !== undefined) return `ended by ${leg.abortedBy} ${inPhase}`
  // Seen in the report of a runner that died, and in one that is written while later legs are still to come.
  return leg.ended ? 'no outcome was recorded' : `the journal ends ${inPhase}`
}
