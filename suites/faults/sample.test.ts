import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { faults } from './catalogue.ts'
import { unmetNeed, type Fault, type Ground } from './fault.ts'
import { deal } from './sample.ts'

const ground: fc.Arbitrary<Ground> = fc.record({
  cni: fc.record({
    name: fc.constantFrom('flannel', 'calico', 'cilium', 'another'),
    encapsulation: fc.constantFrom('vxlan', 'none'),
  }),
  declared: fc.record({ features: fc.subarray(['network-policy']) }),
})
const grounds = fc.array(ground, { maxLength: 4 })
const turns = fc.nat({ max: 1_000_000_000 })
const ids = (list: readonly Fault[]): string[] => list.map(({ id }) => id).toSorted()

describe('dealing faults out', () => {
  test('makes each fault once where it can be made at all', () => {
    fc.assert(
      fc.property(grounds, turns, (clusters, turn) => {
        const can = faults.filter((fault) => clusters.some((each) => unmetNeed(fault, each) === undefined))
        expect(ids(deal(faults, clusters, turn).flat())).toEqual(ids(can))
      }),
    )
  })

  test('makes each fault only where it can be made', () => {
    fc.assert(
      fc.property(grounds, turns, (clusters, turn) => {
        const hands = deal(faults, clusters, turn)
        expect(hands).toHaveLength(clusters.length)
        for (const [at, cluster] of clusters.entries())
          expect(hands[at]?.filter((fault) => unmetNeed(fault, cluster) !== undefined)).toEqual([])
      }),
    )
  })

  test('makes each fault on every able cluster in as many turns', () => {
    fc.assert(
      fc.property(grounds, turns, (clusters, turn) => {
        const rounds = clusters.map((_, later) => deal(faults, clusters, turn + later))
        for (const [at, cluster] of clusters.entries()) {
          const able = faults.filter((fault) => unmetNeed(fault, cluster) === undefined)
          const made = new Set(rounds.flatMap((hands) => hands[at] ?? []))
          expect(ids([...made])).toEqual(ids(able))
        }
      }),
    )
  })
})
