import { createHash } from 'node:crypto'

/** Which pairs of nodes are asked. Pure: the same nodes, bound and seed give the same pairs. */

/** A node, as far as choosing pairs is concerned. */
export interface Place {
  name: string
  /** Its label topology.kubernetes.io/zone. */
  zone?: string
}

/** Who asks and who is asked, by their places in the list of nodes; the same number twice is two pods of one node. */
export type Pair = readonly [from: number, to: number]

/**
 * Every node with itself, and all ordered pairs of two nodes while these are no more than the bound. Above it: a ring
 * through all nodes, in which each asks one and is asked by one; one pair of each zone with each; and pairs by chance
 * until there are as many as the bound. The ring and the zones are asked whatever the bound.
 *
 * @param bound most pairs of two nodes
 * @param seed any text
 */
export function* choosePairs(places: readonly Place[], bound: number, seed: string): Generator<Pair> {
  const count = places.length
  for (let node = 0; node < count; node++) yield [node, node]
  if (count * (count - 1) > bound) yield* samplePairs(places, bound, seed)
  else for (const from of blocks(count)) for (const to of blocks(count)) yield* pairsBetween(from, to)
}

/** Nodes whose pairs come one after the other: a stretch of a few thousand pairs concerns few nodes, and each asks many. */
const blockNodes = 40

/** First of each block and first behind it. */
function* blocks(count: number): Generator<Pair> {
  for (let first = 0; first < count; first += blockNodes) yield [first, Math.min(count, first + blockNodes)]
}

/** By distance and not by node: all of them ask from the beginning. */
function* pairsBetween([firstFrom, endFrom]: Pair, [firstTo, endTo]: Pair): Generator<Pair> {
  const count = endTo - firstTo
  for (let distance = 0; distance < count; distance++) {
    for (let from = firstFrom; from < endFrom; from++) {
      const to = firstTo + ((from - firstFrom + distance) % count)
      if (from !== to) yield [from, to]
    }
  }
}

function* samplePairs(places: readonly Place[], bound: number, seed: string): Generator<Pair> {
  const count = places.length
  const random = randomFrom(seed)
  const chosen = new Set<number>()
  const isNew = (from: number, to: number): boolean => {
    const before = chosen.size
    return from !== to && chosen.add(from * count + to).size > before
  }
  const ring = shuffled(places.keys().toArray(), random)
  for (const [at, from] of ring.entries()) {
    const to = ring[(at + 1) % count] ?? from
    if (isNew(from, to)) yield [from, to]
  }
  for (const [from, to] of zonePairs(places, bound, random)) if (isNew(from, to)) yield [from, to]
  while (chosen.size < bound) {
    const [from, to] = [random(count), random(count)]
    if (isNew(from, to)) yield [from, to]
  }
}

/** A pair of nodes for each pair of zones, but no more than the bound: where each node is a zone, there are too many. */
function* zonePairs(places: readonly Place[], bound: number, random: Random): Generator<Pair> {
  const byZone = Map.groupBy(places.keys(), (node) => places[node]?.zone ?? '')
  const zones = shuffled([...byZone.values()], random)
  let left = bound
  for (let distance = 0; distance < zones.length; distance++) {
    for (const [at, here] of zones.entries()) {
      const there = zones[(at + distance) % zones.length] ?? []
      const from = here[random(here.length)] ?? 0
      const others = distance === 0 ? there.filter((node) => node !== from) : there
      const to = others[random(others.length)]
      if (to === undefined) continue
      if (left-- <= 0) return
      yield [from, to]
    }
  }
}

/** How many pairs of two nodes there are. */
export const allPairs = (count: number): number => count * (count - 1)

/** A whole number from 0, below the limit. */
export type Random = (limit: number) => number

/** Numbers by chance that are the same for the same seed: mulberry32, which passes gjrand and takes 5 ns a number. */
export function randomFrom(seed: string): Random {
  let state = createHash('sha256').update(seed).digest().readUInt32LE()
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }
}

/** The same in another order (Fisher and Yates). */
export function shuffled<Each>(list: readonly Each[], random: Random): Each[] {
  const mixed = [...list]
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = random(last + 1)
    const [a, b] = [mixed[last] as Each, mixed[other] as Each]
    mixed[last] = b
    mixed[other] = a
  }
  return mixed
}
