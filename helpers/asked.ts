import { observeApi } from './api-verdict.ts'
import type { Check } from './check.ts'
import { isOnEveryNode } from './coverage/every-node.ts'
import { Tally } from './coverage/tally.ts'
import { observeLooks } from './looks/look-verdict.ts'
import type { Looks } from './looks/node-looks.ts'
import type { Observation } from './observation.ts'
import type { PlannedProbe } from './plan/planned.ts'
import { plansOf, type Plan, type PlanLimits } from './plan/plan.ts'
import { observe, seenOf, type Replies } from './verdict.ts'
import type { World } from './world.ts'

/** What came of asking checks without steps. */
export interface Asked {
  /** What was seen of a check, probe by probe; with what the nodes show, where they were looked at. */
  observations(check: Check, looks: Looks | undefined): Observation[]
  /** Milliseconds that its slowest probe took. */
  slowestMs(check: Check): number
}

/**
 * Asks checks without steps: all in one plan but for what memory has no room for, which is judged and forgotten before
 * the next plan is made.
 */
export async function askAll(
  checks: readonly Check[],
  world: World,
  ask: (plan: Plan) => Promise<Replies>,
  limits: PlanLimits = {},
): Promise<Asked> {
  const once = new Map<Check, { probes: readonly PlannedProbe[]; replies: Replies }>()
  const tallies = new Map<Check, Tally>()
  const slowest = new Map<Check, number>()
  // A function of its own: what it holds is gone when it returns, and not when the next replies have come.
  const take = async (plan: Plan): Promise<void> => {
    const replies = await ask(plan)
    for (const [check, probes] of Map.groupBy(plan.probes, (probe) => probe.check)) {
      slowest.set(check, slowestOf(probes, replies, slowest.get(check) ?? 0))
      if (!isOnEveryNode(check)) {
        once.set(check, { probes, replies })
        continue
      }
      const tally = tallies.get(check) ?? new Tally(check)
      tallies.set(check, tally)
      for (const probe of probes) tally.add(probe, seenOf(probe, replies, world))
    }
  }
  for (const plan of plansOf(checks, world, limits)) await take(plan)
  const inPods = (check: Check, looks: Looks | undefined): Observation[] => {
    const asked = once.get(check)
    if (asked === undefined) return tallies.get(check)?.observations() ?? []
    const heard = looks === undefined ? asked.replies : { ...asked.replies, looks }
    return asked.probes.map((probe) => observe(probe, heard, world))
  }
  return {
    observations: (check, looks) => [
      ...inPods(check, looks),
      ...check.probes.flatMap((probe) =>
        looks !== undefined && 'look' in probe ? observeLooks(probe, looks, world) : [],
      ),
      ...check.probes.flatMap((probe) => ('endpointsOf' in probe ? [observeApi(probe, world)] : [])),
    ],
    slowestMs: (check) => slowest.get(check) ?? 0,
  }
}

function slowestOf(probes: readonly PlannedProbe[], replies: Replies, before: number): number {
  let slowestMs = before
  for (const { questions } of probes) {
    for (const { agent, wire } of questions)
      slowestMs = Math.max(slowestMs, replies.result(agent, wire.id)?.ms ?? 0)
  }
  return slowestMs
}
