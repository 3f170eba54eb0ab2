import { unmetNeed, type Fault, type Ground } from './fault.ts'

/**
 * Deals a share of the faults out to clusters: each to one of those where it can be made. The next turn deals the next
 * share, and the same share, when it comes again, to the next cluster: so in `oneIn` turns every fault is made, and in
 * as many times that as there are clusters every fault on each of them.
 *
 * @param turn any whole number; the same number deals the same
 * @param oneIn every how many-th fault is dealt
 * @returns one list for each cluster, in their order
 */
export function deal(
  faults: readonly Fault[],
  clusters: readonly Ground[],
  turn: number,
  oneIn: number,
): Fault[][] {
  const hands: Fault[][] = clusters.map(() => [])
  for (const [index, fault] of faults.entries()) {
    const place = index + turn
    if (place % oneIn !== 0) continue
    const able = hands.filter((_, at) => {
      const ground = clusters[at]
      return ground !== undefined && unmetNeed(fault, ground) === undefined
    })
    able[(place / oneIn) % able.length]?.push(fault)
  }
  return hands
}
