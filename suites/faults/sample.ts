import { unmetNeed, type Fault, type Ground } from './fault.ts'

/**
 * Deals the faults out to clusters: each is made on one of those where it can be made, on the next one with the next
 * turn. So every fault is made once in every turn, and on every cluster in as many turns as there are clusters.
 *
 * @param turn any whole number; the same number deals the same
 * @returns one list for each cluster, in their order
 */
export function deal(faults: readonly Fault[], clusters: readonly Ground[], turn: number): Fault[][] {
  const hands: Fault[][] = clusters.map(() => [])
  for (const [index, fault] of faults.entries()) {
    const able = hands.filter((_, at) => {
      const ground = clusters[at]
      return ground !== undefined && unmetNeed(fault, ground) === undefined
    })
    able[(index + turn) % able.length]?.push(fault)
  }
  return hands
}
