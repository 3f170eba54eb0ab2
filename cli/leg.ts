import { join } from 'node:path'
import type { Check } from '../helpers/check.ts'
import { checks as catalogue } from '../suites/catalogue.ts'
import { capturePaths, writeCaptures } from '../helpers/capture/capture.ts'
import { collectEvidence } from '../helpers/evidence.ts'
import type { Outcome } from '../helpers/observation.ts'
import { Session } from '../helpers/session.ts'
import { runPhases } from './phases.ts'
import type { ClusterSource, LegRun, Standing, TakeDown } from './source.ts'

/**
 * One leg: the cluster with its fixtures, the checks and the evidence. What it finds goes into the log; it throws when
 * the cluster could not be brought up or checked.
 *
 * @param lend told how to end what the leg has made, before anything of it exists
 */
export async function runLeg(
  source: ClusterSource,
  leg: LegRun,
  lend: (takeDown: TakeDown) => void,
): Promise<void> {
  const standing = await source.stand(leg, lend)
  const { log, checks } = leg
  log.coverage(standing.coverage)
  const [session, { converged }] = await log.phase('traffic', 'paths answer', async (step) => {
    const opened = await Session.open(standing.session)
    const readiness = await opened.converge(pathsBefore(checks), (seen) => step.update(seen))
    log.readiness(readiness)
    return [opened, readiness] as const
  })
  try {
    leg.signal.throwIfAborted()
    const outcomes = await runPhases(leg, session, converged)
    const off = outcomes.filter(({ outcome }) => outcome === 'failed' || outcome === 'not-run')
    if (off.length > 0) log.outcomes(await withEvidence(source, leg, standing, session, checks, off))
    log.ended()
  } finally {
    session.close()
  }
}

/**
 * The checks that must stand still before the first one counts. What is not ours is no part of them, so where it is
 * asked, the product's own checks show that the cluster is ready, also those that the user did not choose.
 */
function pathsBefore(chosen: readonly Check[]): readonly Check[] {
  return chosen.some(({ targets }) => targets !== undefined)
    ? [...new Set([...chosen, ...catalogue])]
    : chosen
}

/** The outcomes that did not pass, each with the folder of its evidence, and where its packets were seen last. */
async function withEvidence(
  { cluster }: ClusterSource,
  { log, folder }: LegRun,
  { evidence }: Standing,
  session: Session,
  checks: readonly Check[],
  off: readonly Outcome[],
): Promise<Outcome[]> {
  return log.phase('evidence', 'evidence of what did not pass', async () => {
    const world = await session.world()
    const { capture: start } = evidence
    const ask: Session['ask'] = (probes) => session.ask(probes)
    // Packets first: what is broken may mend itself.
    const captures = await capturePaths(
      { world, ask, ...(start === undefined ? {} : { start }) },
      checks,
      off,
    )
    const folders = await collectEvidence({ ...evidence, world }, off, join(folder, 'evidence'))
    const folderOf = (check: string): string => join('evidence', folders.get(check) ?? '')
    await writeCaptures(captures, (check) => join(folder, folderOf(check)))
    return off.map((outcome) => {
      const packets = captures.conclusions.get(outcome.check)
      return {
        ...outcome,
        ...(packets === undefined ? {} : { packets }),
        evidence: join(cluster.name, folderOf(outcome.check)),
      }
    })
  })
}
