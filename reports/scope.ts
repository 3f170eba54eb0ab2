import { budgets, type Budget } from '../helpers/budgets.ts'
import { profileBudgets } from '../helpers/profiles.ts'
import type { Leg, Phase, Run } from './model.ts'
import { runMillis } from './summary.ts'
import { count, duration, listed, oneLine } from './text.ts'

/** How much a leg stands for: the nodes that it covers, and the time that its profile has. */

/** `2 of 3 nodes, all 2 pairs of them; without pods: flannel-control-plane (control plane)`. */
export function coverageText({ coverage }: Pick<Leg, 'coverage'>): string | undefined {
  if (coverage === undefined) return undefined
  const { nodes, pairs } = coverage
  const left = nodes.leftOut.map(({ why, count: number, names }) => {
    const more = number > names.length ? [...names, `${number - names.length} more`] : names
    return `${listed(more)} (${why})`
  })
  const parts = [
    `${nodes.covered} of ${count(nodes.of, 'node')}`,
    pairs === undefined
      ? 'no check asks every pair of nodes'
      : pairs.asked === pairs.of
        ? `all ${count(pairs.of, 'pair')} of them`
        : `${pairs.asked} of their ${count(pairs.of, 'pair')}, drawn with seed ${pairs.seed ?? 'unknown'}`,
  ]
  return oneLine(`${parts.join(', ')}${left.length === 0 ? '' : `; without pods: ${left.join('; ')}`}`)
}

/** What a leg took of the time that its profile has. */
export interface Spent {
  ms: number
  budget: Budget
  text: string
}

/** Undefined where the leg did not come so far, or nobody has written down the profile. */
export function spentOf(leg: Leg, run: Run): Spent | undefined {
  const profile = (leg.origin?.run ?? run.run).profile
  if (profile === undefined) return undefined
  const whole = profile === 'smoke' && leg.cluster.given !== undefined && run.legs.length === 1
  const budget = whole ? budgets.smokeRunMs : profileBudgets[profile]
  const ms = whole ? runMillis(run) : checkingMs(leg.phases)
  if (ms === undefined) return undefined
  const what = whole ? 'from the first to the last moment' : 'from fixtures Ready to the last outcome'
  const limit = `${duration(budget.ms)} that ${profile} has ${what}`
  const text =
    ms > budget.ms
      ? `${duration(ms)}, above the ${limit} (${budget.name}); it says nothing about the network`
      : `${duration(ms)} of the ${limit}`
  return { ms, budget, text }
}

const endOf = ({ startedAt, ms }: Phase): number => Date.parse(startedAt) + ms

/** Phases that come after the last outcome. */
const later: ReadonlySet<string> = new Set(['evidence', 'delete'])

/** From the end of the fixtures to that of the last phase with checks; what came before the first check is in it. */
function checkingMs(phases: readonly Phase[]): number | undefined {
  const fixtures = phases.find(({ name }) => name === 'fixtures')
  const traffic = phases.findIndex(({ name }) => name === 'traffic')
  const checking = phases.slice(traffic + 1).filter(({ name }) => !later.has(name))
  if (fixtures === undefined || traffic < 0 || checking.length === 0) return undefined
  return Math.max(0, Math.max(...checking.map(endOf)) - endOf(fixtures))
}
