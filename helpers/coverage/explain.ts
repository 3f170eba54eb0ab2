import type { Observation } from '../observation.ts'

/** Which nodes explain the pairs that are broken: a person reads "worker3 reaches nobody" and not forty lines. Pure. */

interface Ends {
  from: string
  to: string
}

/** What was not as it must be, between two nodes; on one node where both names are the same. */
export interface Off extends Ends {
  seen: Observation
}

/** Broken pairs that have one explanation. */
export interface Group {
  off: readonly Off[]
  text: string
}

/** How many pairs there are of each node. */
export class Census {
  readonly from = new Map<string, number>()
  readonly to = new Map<string, number>()
  readonly #nodes = new Set<string>()
  /** All, and those of two nodes. */
  total = 0
  across = 0

  get nodes(): number {
    return this.#nodes.size
  }

  count({ from, to }: Ends): void {
    this.total += 1
    this.#nodes.add(from).add(to)
    if (from === to) return
    this.across += 1
    this.from.set(from, (this.from.get(from) ?? 0) + 1)
    this.to.set(to, (this.to.get(to) ?? 0) + 1)
  }
}

/** Names that are listed before the rest is counted. */
const named = 5

/** The nodes on which something is not as it must be. */
export function brokenNodes(off: readonly Off[], { nodes }: Census): Group[] {
  const names = [...new Set(off.map(({ from }) => from))]
  return names.length === 0 ? [] : [{ off, text: `${names.length} of ${nodes} nodes: ${listed(names)}` }]
}

/** The nodes that reach nobody or that nobody reaches, each with its pairs; and whatever else is broken, pair by pair. */
export function brokenPairs(off: readonly Off[], census: Census): Group[] {
  if (off.length === 0) return []
  const across = off.filter(({ from, to }) => from !== to)
  // Of two nodes nobody can say which of them it is.
  if (census.nodes > 2 && across.length === census.across) {
    const text = `no node reaches another: ${share(across, census)}`
    return [{ off: across, text }, ...pairByPair(without(off, across), census)]
  }
  const groups: Group[] = []
  let left = off
  for (const { node, says } of census.nodes > 2 ? cutOff(across, census) : []) {
    const its = left.filter(({ from, to }) => from === node || to === node)
    if (its.length === 0) continue
    const all = its.length === off.length ? ', all from or to it' : ''
    groups.push({ off: its, text: `${says}: ${share(its, census)}${all}` })
    left = without(left, its)
  }
  return [...groups, ...pairByPair(left, census)]
}

/** Nodes all of whose pairs in a direction are broken, those with the most first. */
function cutOff(across: readonly Off[], census: Census): { node: string; says: string }[] {
  const nodes = [...new Set(across.flatMap(({ from, to }) => [from, to]))]
  return nodes
    .map((node) => {
      const out = across.filter(({ from }) => from === node).length
      const into = across.filter(({ to }) => to === node).length
      // One pair of a sample tells as much of its other end.
      const reachesNobody = out > 1 && out === census.from.get(node)
      const reachedByNobody = into > 1 && into === census.to.get(node)
      const says = [
        ...(reachesNobody ? [`${node} reaches nobody`] : []),
        ...(reachedByNobody ? [`nobody reaches ${reachesNobody ? 'it' : node}`] : []),
      ]
      return { node, says: says.join(' and '), pairs: out + into }
    })
    .filter(({ says }) => says !== '')
    .toSorted((a, b) => b.pairs - a.pairs)
}

function pairByPair(off: readonly Off[], census: Census): Group[] {
  if (off.length === 0) return []
  const names = off.map(({ from, to }) => (from === to ? `within ${from}` : `${from} -> ${to}`))
  return [{ off, text: `${share(off, census)}: ${listed(names)}` }]
}

const share = (some: readonly Off[], { total }: Census): string => `${some.length} of ${total} pairs`

const without = (all: readonly Off[], some: readonly Off[]): Off[] => {
  const gone = new Set(some)
  return all.filter((each) => !gone.has(each))
}

const listed = (names: readonly string[]): string =>
  names.length <= named + 1
    ? names.join(', ')
    : `${names.slice(0, named).join(', ')} and ${names.length - named} more`
