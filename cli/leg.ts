import { join } from 'node:path'
import { isHeavy, isLasting, isLight, isLooking, isPlain, startsPods, type Check } from '../helpers/check.ts'
import { checks as catalogue } from '../suites/catalogue.ts'
import { capturePaths, writeCaptures } from '../helpers/capture/capture.ts'
import { collectEvidence } from '../helpers/evidence.ts'
import type { Outcome } from '../helpers/observation.ts'
import { Session } from '../helpers/session.ts'
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

/**
 * Packets that change nothing in one phase; then the checks with steps, topic by topic, each in a phase of its own name.
 * Those whose checks start pods come after the others: Cilium lets a node have four at once, and then one in two seconds,
 * which the fixtures have just used up. Connections that are silent for seconds are silent beside these.
 * What asks for much comes behind all that changes something: each of 10,000 connections that a node remembers for two
 * minutes is read by its kube-proxy whenever an endpoint changes.
 * Looks at the nodes come last: what they wait for, such as probes of readiness, has had its time by then.
 *
 * @param knowsWorld what the session has read last agreed with every answer, so it needs not be read again
 */
async function runPhases(
  { log, signal, checks }: LegRun,
  session: Session,
  knowsWorld: boolean,
): Promise<Outcome[]> {
  const all: Outcome[] = []
  let keepWorld = knowsWorld
  const run = async (name: string, some: readonly Check[], kind = `checks of ${name}`): Promise<void> => {
    if (some.length === 0) return
    const reading = { signal, keepWorld }
    keepWorld = true
    const outcomes = await log.phase(name, `${some.length} ${kind}`, () => session.run(some, reading))
    signal.throwIfAborted()
    log.outcomes(outcomes)
    all.push(...outcomes)
  }
  const topics = Map.groupBy(
    checks.filter((check) => !isPlain(check)),
    ({ id }) => id.slice(0, id.indexOf('/')),
  )
  const runTopics = async (starting: boolean): Promise<void> => {
    for (const [topic, some] of topics) if (some.some(startsPods) === starting) await run(topic, some)
  }
  await run('checks', checks.filter(isLight), 'checks')
  await runTopics(false)
  await bothOver(runTopics(true), run('silence', checks.filter(isLasting), 'checks of silent connections'))
  await run('load', checks.filter(isHeavy), 'checks with many connections or long bodies')
  await run('looks', checks.filter(isLooking), 'looks at the nodes')
  return all
}

/** Throws what one of them threw, but not before the other is over: it would go on in a cluster that is being deleted. */
async function bothOver(...work: readonly Promise<void>[]): Promise<void> {
  for (const end of await Promise.allSettled(work)) if (end.status === 'rejected') throw end.reason
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
