import { allOver } from '../helpers/await.ts'
import { isHeavy, isLasting, isLight, isLooking, isPlain, startsPods, type Check } from '../helpers/check.ts'
import type { Outcome } from '../helpers/observation.ts'
import type { Session } from '../helpers/session.ts'
import type { LegLog } from './run-log.ts'
import type { LegRun } from './source.ts'

/** What phases are run with. */
export interface Phased extends Pick<LegRun, 'checks' | 'signal'> {
  log: Pick<LegLog, 'phase' | 'outcomes'>
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
export async function runPhases(
  { log, signal, checks }: Phased,
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
  // Not before both are over: the other would go on in a cluster that is being deleted.
  await allOver([runTopics(true), run('silence', checks.filter(isLasting), 'checks of silent connections')])
  await run('load', checks.filter(isHeavy), 'checks with many connections or long bodies')
  await run('looks', checks.filter(isLooking), 'looks at the nodes')
  return all
}
