import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { allPairs, choosePairs, type Place } from './pairs.ts'

const places: fc.Arbitrary<Place[]> = fc
  .array(fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { nil: undefined }), { minLength: 2, maxLength: 60 })
  .map((zones) => zones.map((zone, at) => ({ name: `node${at}`, ...(zone === undefined ? {} : { zone }) })))
const bounds = fc.integer({ min: 0, max: 4_000 })
const seeds = fc.string({ maxLength: 20 })

const of = (nodes: readonly Place[], bound: number, seed: string) => [...choosePairs(nodes, bound, seed)]
const zoneOf = ({ zone }: Place): string => zone ?? ''

test('the same nodes, bound and seed give the same pairs, none of them twice', () => {
  fc.assert(
    fc.property(places, bounds, seeds, (nodes, bound, seed) => {
      const pairs = of(nodes, bound, seed)
      expect(of(nodes, bound, seed)).toEqual(pairs)
      expect(new Set(pairs.map(String)).size).toBe(pairs.length)
    }),
  )
})

test('every node asks itself, asks another and is asked by another', () => {
  fc.assert(
    fc.property(places, bounds, seeds, (nodes, bound, seed) => {
      const pairs = of(nodes, bound, seed)
      const all = nodes.map((_, at) => at)
      const others = pairs.filter(([from, to]) => from !== to)
      expect(pairs.filter(([from, to]) => from === to).map(([from]) => from)).toEqual(all)
      expect([...new Set(others.map(([from]) => from))].toSorted((a, b) => a - b)).toEqual(all)
      expect([...new Set(others.map(([, to]) => to))].toSorted((a, b) => a - b)).toEqual(all)
    }),
  )
})

test('all pairs up to the bound; above it as many as the bound, or what the ring and the zones take', () => {
  fc.assert(
    fc.property(places, bounds, seeds, (nodes, bound, seed) => {
      const others = of(nodes, bound, seed).filter(([from, to]) => from !== to)
      const zones = new Set(nodes.map(zoneOf)).size
      const most = Math.max(bound, nodes.length + zones * zones)
      expect(others.length).toBeGreaterThanOrEqual(Math.min(bound, allPairs(nodes.length)))
      expect(others.length).toBeLessThanOrEqual(Math.min(most, allPairs(nodes.length)))
    }),
  )
})

test('a sample has a pair of each zone with each, where the bound has room for so many', () => {
  fc.assert(
    fc.property(places, fc.integer({ min: 25, max: 4_000 }), seeds, (nodes, bound, seed) => {
      const seen = of(nodes, bound, seed).map(([from, to]) =>
        [from, to].map((at) => zoneOf(nodes[at] ?? { name: '' })).join(' -> '),
      )
      const zones = [...new Set(nodes.map(zoneOf))]
      const wanted = zones.flatMap((one) => zones.map((other) => `${one} -> ${other}`))
      expect(wanted.filter((each) => !seen.includes(each))).toEqual([])
    }),
  )
})

test('another seed takes another sample', () => {
  const nodes = Array.from({ length: 100 }, (_, at) => ({ name: `node${at}` }))
  expect(of(nodes, 300, 'one')).not.toEqual(of(nodes, 300, 'other'))
})

test('a zone for each node does not make a pair for each two of them', () => {
  const nodes = Array.from({ length: 2_000 }, (_, at) => ({ name: `node${at}`, zone: `zone${at}` }))
  expect(of(nodes, 500, 'seed').length).toBeLessThanOrEqual(2_000 + 2_000 + 500)
})

test('of a large cluster whose pairs are all asked, a stretch of them concerns few nodes', () => {
  const nodes = Array.from({ length: 200 }, (_, at) => ({ name: `node${at}` }))
  const pairs = of(nodes, Infinity, '1').filter(([from, to]) => from !== to)
  expect(new Set(pairs.map(String)).size).toBe(allPairs(200))
  const stretches = Array.from({ length: 10 }, (_, at) => pairs.slice(at * 4_000, (at + 1) * 4_000))
  for (const stretch of stretches) expect(new Set(stretch.flat()).size).toBeLessThanOrEqual(4 * 64)
})
