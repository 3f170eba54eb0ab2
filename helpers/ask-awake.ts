import { askAll, type Asked } from './asked.ts'
import { sleep } from './await.ts'
import { budgets } from './budgets.ts'
import type { Check } from './check.ts'
import type { Plan } from './plan/plan.ts'
import { isStarved } from './starved-verdict.ts'
import type { Replies } from './verdict.ts'
import type { World } from './world.ts'

/** What came of asking, and how long it took until those who were asked could run. */
export interface AskedAwake extends Asked {
  /** Milliseconds until its agents had a processor; undefined for a check that was asked once. */
  starvedMs(check: Check): number | undefined
}

/**
 * Asks checks without steps. Those of which some agent could not run are asked again, for a while: nothing was learnt of
 * their paths. Whatever was learnt stands: no red is asked twice.
 */
export async function askAwake(
  checks: readonly Check[],
  world: World,
  ask: (plan: Plan) => Promise<Replies>,
): Promise<AskedAwake> {
  const startedMs = performance.now()
  const first = await askAll(checks, world, ask)
  const later = new Map<Check, { asked: Asked; ms: number }>()
  const latest = (check: Check): Asked => later.get(check)?.asked ?? first
  for (;;) {
    const starved = checks.filter((check) => isStarved(latest(check).observations(check, undefined)))
    const passedMs = performance.now() - startedMs
    if (starved.length === 0 || passedMs >= budgets.starvedMs.ms) break
    await sleep(budgets.starvedPauseMs.ms)
    const asked = await askAll(starved, world, ask)
    for (const check of starved) later.set(check, { asked, ms: performance.now() - startedMs })
  }
  return {
    observations: (check, looks) => latest(check).observations(check, looks),
    slowestMs: (check) => latest(check).slowestMs(check),
    starvedMs: (check) => later.get(check)?.ms,
  }
}
