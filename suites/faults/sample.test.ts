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
  workers: fc.record({ length: fc.integer({ min: 2, max: 4 }) }),
})
const grounds = fc.array(ground, { maxLength: 4 })
const turns = fc.nat({ max: 1_000_000_000 })
const shares = fc.integer({ min: 1, max: 5 })
const ids = (list: readonly Fault[]): string[] => list.map(({ id }) => id).toSorted()

describe('dealing faults out', () => {
  test('makes each fault once where it can be made at all, a share with each turn', () => {
    fc.assert(
      fc.property(grounds, turns, shares, (clusters, turn, oneIn) => {
        const can = faults.filter((fault) => clusters.some((each) => unmetNeed(fault, each) === undefined))
        const dealt = Array.from({ length: oneIn }, (_, later) => deal(faults, clusters, turn + later, oneIn))
        expect(ids(dealt.flat(2))).toEqual(ids(can))
      }),
    )
  })

  test('makes each fault only where it can be made', () => {
    fc.assert(
      fc.property(grounds, turns, shares, (clusters, turn, oneIn) => {
        const hands = deal(faults, clusters, turn, oneIn)
        expect(hands).toHaveLength(clusters.length)
        for (const [at, cluster] of clusters.entries())
          expect(hands[at]?.filter((fault) => unmetNeed(fault, cluster) !== undefined)).toEqual([])
      }),
    )
  })

  test('makes each fault on every able cluster in time', () => {
    fc.assert(
      fc.property(grounds, turns, shares, (clusters, turn, oneIn) => {
        const rounds = Array.from({ length: oneIn * clusters.length }, (_, later) =>
          deal(faults, clusters, turn + later, oneIn),
        )
        for (const [at, cluster] of clusters.entries()) {
          const able = faults.filter((fault) => unmetNeed(fault, cluster) === undefined)
          const made = new Set(rounds.flatMap((hands) => hands[at] ?? []))
          expect(ids([...made])).toEqual(ids(able))
        }
      }),
    )
  })
})
