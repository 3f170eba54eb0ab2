import { askAll, type Asked } from './asked.ts'
import { sleep } from './await.ts'
import { budgets } from './budgets.ts'
import type { Check } from './check.ts'
import { rounded } from './inspect.ts'
import type { Observation, Outcome } from './observation.ts'
import type { Plan } from './plan/plan.ts'
import { isStarved } from './starved-verdict.ts'
import type { Replies } from './verdict.ts'
import type { World } from './world.ts'

/** What was learnt of one item. */
export interface Learnt<Answer> {
  answer: Answer
  /** Milliseconds until those who were asked could run; undefined for an item that was asked once. */
  starvedMs?: number
}

/**
 * Asks, and asks those again for a while of which nothing was learnt but that some agent could not run. Whatever was
 * learnt stands: no red is asked twice.
 *
 * @param ask asks some of the items, all at the same time
 * @param observed what an answer says of one of them
 * @throws the signal's reason
 */
export async function untilAwake<Item, Answer>(
  items: readonly Item[],
  ask: (items: readonly Item[]) => Promise<Answer>,
  observed: (item: Item, answer: Answer) => readonly Observation[],
  signal?: AbortSignal,
): Promise<Map<Item, Learnt<Answer>>> {
  const startedMs = performance.now()
  const learnt = new Map<Item, Learnt<Answer>>()
  let answer = await ask(items)
  for (const item of items) learnt.set(item, { answer })
  let asked = items
  for (;;) {
    const starved = asked.filter((item) => isStarved(observed(item, answer)))
    if (starved.length === 0 || performance.now() - startedMs >= budgets.starvedMs.ms) return learnt
    signal?.throwIfAborted()
    await sleep(budgets.starvedPauseMs.ms)
    asked = starved
    answer = await ask(asked)
    const starvedMs = performance.now() - startedMs
    for (const item of asked) learnt.set(item, { answer, starvedMs })
  }
}

/** How a report says that agents had to be waited for. */
export const starvedMeasurement = (starvedMs: number): NonNullable<Outcome['measurements']>[number] => ({
  name: 'until its agents had a processor',
  ms: rounded(starvedMs),
})

/** What came of asking checks, and how long it took until those who were asked could run. */
export interface AskedAwake extends Asked {
  /** Milliseconds until its agents had a processor; undefined for a check that was asked once. */
  starvedMs(check: Check): number | undefined
}

/** Asks checks without steps, those again of which some agent could not run. */
export async function askAwake(
  checks: readonly Check[],
  world: World,
  ask: (plan: Plan) => Promise<Replies>,
): Promise<AskedAwake> {
  const learnt = await untilAwake(
    checks,
    (some) => askAll(some, world, ask),
    (check, asked) => asked.observations(check, undefined),
  )
  return {
    observations: (check, looks) => learnt.get(check)?.answer.observations(check, looks) ?? [],
    slowestMs: (check) => learnt.get(check)?.answer.slowestMs(check) ?? 0,
    starvedMs: (check) => learnt.get(check)?.starvedMs,
  }
}
