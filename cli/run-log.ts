import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { LoadedDefinition } from '../clusters/definition.ts'
import { lookAtDocker } from '../clusters/host/docker-look.ts'
import { readHostFacts } from '../clusters/host/facts.ts'
import type { Check } from '../helpers/check.ts'
import type { Coverage } from '../helpers/coverage/coverage.ts'
import type { Outcome } from '../helpers/observation.ts'
import { SetupError, messageOf } from '../helpers/errors.ts'
import type { Progress, Step } from '../helpers/progress.ts'
import type { NewEvent } from '../reports/events.ts'
import { openJournal, type Journal } from '../reports/journal.ts'
import { schemaVersion } from '../reports/model.ts'
import type { Identity, Leg, Machine, PlannedCheck, Provenance, SetupFailure } from '../reports/model.ts'
import type { TestOptions } from './options.ts'
import type { DeclaredCluster } from './source.ts'
import { readTool } from './tool.ts'

/** Where a leg writes what it does and finds: into the journal for reports, and on the terminal while it lasts. */
export interface LegLog {
  /**
   * Runs a phase of the leg.
   *
   * @param name in the reports: "create"
   * @param title on the terminal: "create cluster cnic-flannel-1a2b"
   */
  phase<T>(name: string, title: string, work: (step: Step) => Promise<T>): Promise<T>
  provenance(provenance: readonly Provenance[]): void
  identity(identity: Identity): void
  readiness(readiness: NonNullable<Leg['readiness']>): void
  /** How much of the cluster the leg stands for. */
  coverage(coverage: Coverage): void
  /** A later outcome of the same check takes the place of the earlier one. */
  outcomes(outcomes: readonly Outcome[]): void
  /** The checks are done; what comes after cannot take them back. */
  ended(): void
  /** The leg could not be brought up or checked. */
  failed(error: unknown): void
}

/** Opens the journal of a run; everything that is meant to happen is in its first line. */
export async function openRunJournal(runId: string, folder: string, options: RunPlan): Promise<Journal> {
  const journal = openJournal(join(folder, 'events.jsonl'))
  journal.emit(await runStarted(runId, options))
  return journal
}

/** What is meant to happen in a run. */
export interface RunPlan extends Pick<TestOptions, 'checks' | 'profile' | 'filter'> {
  clusters: readonly DeclaredCluster[]
  /** Docker of this machine has no part in it, and is not asked. */
  withoutDocker?: true
}

/** The first event of a run. */
export async function runStarted(
  runId: string,
  { clusters, checks, profile, filter, withoutDocker }: RunPlan,
): Promise<Extract<NewEvent, { type: 'run-started' }>> {
  return {
    type: 'run-started',
    schemaVersion,
    tool: readTool(),
    run: {
      id: runId,
      startedAt: new Date().toISOString(),
      profile,
      partial: filter !== undefined,
      ...(filter === undefined ? {} : { filter }),
    },
    machine: await readMachine(withoutDocker),
    legs: clusters.map((cluster) => ({
      cluster: { ...cluster, checksSha256: sumOf(checks) },
      planned: checks.map(plannedCheck),
    })),
  }
}

/** The log of one leg. Phases may run side by side; the failed one that ended first is the cause. */
export function legLog(journal: Journal, leg: string, progress: Progress): LegLog {
  let broken: string | undefined
  return {
    phase: (name, title, work) =>
      journal.phase(leg, name, async () => {
        try {
          return await progress.step(title, work)
        } catch (error) {
          broken ??= name
          throw error
        }
      }),
    provenance: (provenance) => journal.emit({ type: 'provenance', leg, provenance: [...provenance] }),
    identity: (identity) => journal.emit({ type: 'leg-identity', leg, identity }),
    readiness: (readiness) => journal.emit({ type: 'readiness', leg, readiness }),
    coverage: (coverage) => journal.emit({ type: 'coverage', leg, coverage }),
    outcomes(outcomes) {
      for (const outcome of outcomes) journal.emit({ type: 'outcome', leg, outcome })
    },
    ended: () => journal.emit({ type: 'leg-ended', leg }),
    failed: (error) =>
      journal.emit({ type: 'setup-failed', leg, failure: failureOf(error, broken ?? 'set-up') }),
  }
}

/** A failed set-up as the reports tell it. */
export function failureOf(error: unknown, phase: string): SetupFailure {
  if (error instanceof SetupError) {
    const { what, seen, next } = error
    return { phase, what, next, ...(seen === undefined ? {} : { seen }) }
  }
  return { phase, what: messageOf(error), next: 'run again with DEBUG=1, and report this if it comes back' }
}

/** What the reports say of this machine, as far as it is known now. */
export async function readMachine(withoutDocker?: true): Promise<Machine> {
  const [facts, docker] = await Promise.all([
    readHostFacts(),
    withoutDocker === true ? undefined : lookAtDocker(),
  ])
  return {
    os: facts.os.name,
    kernel: facts.kernel,
    cpus: facts.cpus,
    memoryMiB: facts.memoryTotalMiB,
    cgroup: facts.cgroupVersion === undefined ? 'none' : `v${facts.cgroupVersion}`,
    arch: facts.arch,
    node: facts.node,
    ...(docker?.state === 'answers' ? { dockerVersion: docker.server.version } : {}),
  }
}

/** A definition as reports show it. */
export function declaredCluster({ definition, file, sha256 }: LoadedDefinition): DeclaredCluster {
  return {
    name: definition.name,
    definition: { ...definition, network: { ...definition.network } },
    file,
    sha256,
  }
}

/** Says whether two runs asked the same checks. */
const sumOf = (checks: readonly Check[]): string =>
  createHash('sha256').update(JSON.stringify(checks)).digest('hex')

function plannedCheck({ id, level, covers, requirement, rung, features, own }: Check): PlannedCheck {
  return {
    check: id,
    level,
    covers,
    requirement,
    ...(rung === undefined ? {} : { rung }),
    ...(features.length === 0 ? {} : { features }),
    ...(own === true ? { own } : {}),
  }
}
