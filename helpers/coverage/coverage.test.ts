import { expect, test } from 'vitest'
import { defineCheck } from '../check.ts'
import { coverageOf, coverNodes } from './coverage.ts'
import type { Place } from './pairs.ts'

const about = { level: 'core' as const, covers: ['P3'], requirement: 'It MUST work.' }
const onEvery = defineCheck({
  ...about,
  id: 'test/pairs',
  pods: { here: { node: 'every' }, there: { node: 'every' } },
  probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol: 'tcp' }],
})
const onTwo = defineCheck({
  ...about,
  id: 'test/two',
  pods: { here: { node: 'worker1' }, there: { node: 'worker2' } },
  probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol: 'tcp' }],
})

const places = (count: number, zones: number): [Place, Place, ...Place[]] => {
  const [first, second, ...others] = Array.from({ length: count }, (_, at) => ({
    name: `n${at}`,
    zone: `z${at % zones}`,
  }))
  if (first === undefined || second === undefined) throw new Error('two at least')
  return [first, second, ...others]
}

test('no pods on further nodes for checks that do not ask there, and the report says why', () => {
  const nodes = places(5, 1)
  const chosen = coverNodes(nodes, [onTwo], { nodes: 24, seed: '1' })
  expect(chosen.workers).toEqual(['n0', 'n1'])
  expect(coverageOf(chosen, nodes, [onTwo], '1')).toEqual({
    nodes: {
      covered: 2,
      of: 5,
      leftOut: [
        {
          why: 'none of the chosen checks is asked on every node',
          count: 3,
          names: ['n2', 'n3', 'n4'],
        },
      ],
    },
  })
})

test('all nodes up to the bound; beyond it some of every zone, the same ones for the same seed', () => {
  const few = places(5, 2)
  expect(coverNodes(few, [onEvery], { nodes: 5, seed: '1' })).toEqual({
    workers: ['n0', 'n1', 'n2', 'n3', 'n4'],
    leftOut: [],
  })
  const many = places(200, 10)
  const options = { nodes: 12, seed: '1' }
  const { workers, leftOut } = coverNodes(many, [onEvery], options)
  expect([workers.length, leftOut.length]).toEqual([12, 188])
  const zones = workers.slice(2).map((name) => many.find((each) => each.name === name)?.zone)
  expect(new Set(zones).size).toBe(10)
  expect(coverNodes(many, [onEvery], options).workers).toEqual(workers)
  expect(coverNodes(many, [onEvery], { ...options, seed: '2' }).workers).not.toEqual(workers)
})

test('the pairs that are told of are those that are asked', () => {
  const nodes = places(40, 3)
  const chosen = coverNodes(nodes, [onEvery], { nodes: 40, seed: 'x' })
  expect(coverageOf(chosen, nodes, [onEvery], 'x').pairs).toEqual({ asked: 870, of: 1_560, seed: 'x' })
  const small = coverNodes(places(3, 1), [onEvery], { nodes: 40, seed: 'x' })
  expect(coverageOf(small, places(3, 1), [onEvery], 'x').pairs).toEqual({ asked: 6, of: 6 })
})
