import { z } from 'zod'
import { limits } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { Workers } from '../fixture-nodes.ts'
import { isOfPairs, isOnEveryNode } from './every-node.ts'
import { allPairs, choosePairs, randomFrom, shuffled, type Place } from './pairs.ts'

/** How much of a cluster a run stands for: which nodes have fixture pods, and which pairs of them are asked. */

export const coverageSchema = z.object({
  nodes: z.object({
    covered: z.int().nonnegative(),
    /** All of the cluster. */
    of: z.int().nonnegative(),
    /** Nodes without fixture pods, by the reason. */
    leftOut: z.array(z.object({ why: z.string(), count: z.int().positive(), names: z.array(z.string()) })),
  }),
  /** Ordered pairs of two covered nodes; absent where no check asks all of them. */
  pairs: z
    .object({
      asked: z.int().nonnegative(),
      of: z.int().nonnegative(),
      /** What the sample was drawn with, where it is one. */
      seed: z.string().optional(),
    })
    .optional(),
})
export type Coverage = z.infer<typeof coverageSchema>

/** How far a run goes over a cluster. */
export interface CoverageOptions {
  /** Most nodes that get fixture pods. */
  nodes: number
  /** Any text: with the same one the same nodes and pairs are chosen. */
  seed: string
}

/** For gates: two runs on the same cluster ask the same. */
export const standardCoverage: CoverageOptions = { nodes: limits.coveredNodes, seed: '1' }

/** A node without fixture pods. */
interface LeftOut {
  name: string
  why: string
}

/** Nodes for the fixtures, and those that have none. */
export interface ChosenNodes {
  workers: Workers
  leftOut: readonly LeftOut[]
}

/**
 * The nodes of a run, of those where fixture pods can be: the first two, which most checks are about, and where a check is
 * asked on every node, more: from all zones in turn, by chance within each. Pure.
 *
 * @param able in the order of their names
 */
export function coverNodes(
  [first, second, ...others]: readonly [Place, Place, ...Place[]],
  checks: readonly Check[],
  { nodes, seed }: CoverageOptions,
): ChosenNodes {
  const room = checks.some(isOnEveryNode) ? Math.max(0, nodes - 2) : 0
  const further = new Set(others.length <= room ? others : fromAllZones(others, seed).slice(0, room))
  const why =
    room === 0 ? 'none of the chosen checks is asked on every node' : `more than ${nodes} nodes, see --nodes`
  return {
    workers: [first.name, second.name, ...others.filter((each) => further.has(each)).map(({ name }) => name)],
    leftOut: others.filter((each) => !further.has(each)).map(({ name }) => ({ name, why })),
  }
}

function fromAllZones(nodes: readonly Place[], seed: string): Place[] {
  const random = randomFrom(seed)
  const zones = [...Map.groupBy(nodes, ({ zone }) => zone).values()].map((zone) => shuffled(zone, random))
  const longest = Math.max(...zones.map(({ length }) => length))
  return Array.from({ length: longest }, (_, at) => zones.flatMap((zone) => zone[at] ?? [])).flat()
}

/** Names of nodes that a report lists for one reason. */
const listed = 5

/** What a report says of it. Pure. */
export function coverageOf(
  { workers, leftOut }: ChosenNodes,
  places: readonly Place[],
  checks: readonly Check[],
  seed: string,
): Coverage {
  const covered = workers.map((name) => places.find((each) => each.name === name) ?? { name })
  const of = allPairs(covered.length)
  let asked = -covered.length
  for (const _ of choosePairs(covered, limits.nodePairs, seed)) asked += 1
  return {
    nodes: {
      covered: covered.length,
      of: covered.length + leftOut.length,
      leftOut: [...Map.groupBy(leftOut, ({ why }) => why)].map(([why, nodes]) => ({
        why,
        count: nodes.length,
        names: nodes.slice(0, listed).map(({ name }) => name),
      })),
    },
    ...(checks.some(isOfPairs) ? { pairs: { asked, of, ...(asked < of ? { seed } : {}) } } : {}),
  }
}
