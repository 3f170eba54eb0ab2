import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { capacityFor, memoryOf, type CapacityMachine } from './capacity.ts'

const lab: CapacityMachine = {
  cpus: 3,
  memoryAvailableMiB: 22_811,
  diskFreeMiB: 100_000,
  inotify: { maxUserInstances: 128, maxUserWatches: 1_000_000, inUse: 10 },
  kernel: undefined,
  root: true,
}
const three = Array.from({ length: 3 }, () => ({ controlPlane: 1, workers: 2, cniMiB: 40 }))

test('three clusters of three nodes on three processors stand at once', () => {
  expect(capacityFor(three, lab)).toEqual({ jobs: 3, budgetMiB: 6_480, nodes: 9, limit: undefined })
})

test('what there is too little of decides, and is named', () => {
  const limitOf = (machine: Partial<CapacityMachine>, atMost?: number) => {
    const { jobs, limit } = capacityFor(three, { ...lab, ...machine }, atMost)
    return [jobs, limit]
  }
  expect(limitOf({ cpus: 1 })).toEqual([1, '1 processor is good for 1'])
  expect(limitOf({ cpus: 2 })).toEqual([2, '2 processors are good for 2'])
  expect(limitOf({}, 2)).toEqual([2, '--jobs says so'])
  expect(limitOf({ cpus: 1 }, 3)).toEqual([3, undefined])
  expect(limitOf({ memoryAvailableMiB: 6_000 })).toEqual([
    2,
    'memory: 6000 MiB available, 7504 MiB needed for 3',
  ])
  expect(limitOf({ memoryAvailableMiB: 100 }, 3)).toEqual([
    1,
    'memory: 100 MiB available, 5344 MiB needed for 2',
  ])
  expect(limitOf({ diskFreeMiB: 9_000 })).toEqual([2, 'disk: 9000 MiB free, 11264 MiB needed for 9 nodes'])
  expect(limitOf({ root: false })).toEqual([
    2,
    'fs.inotify.max_user_instances: 128, 168 needed for 9 nodes, and only root may raise it',
  ])
})

test('the budget is that of the largest, and more than one only where it fits', () => {
  const sizes = fc.array(
    fc.record({ controlPlane: fc.integer({ min: 1, max: 3 }), workers: fc.nat(6), cniMiB: fc.nat(300) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  )
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 64 }), fc.nat(64_000), (clusters, cpus, available) => {
      const { jobs, budgetMiB } = capacityFor(clusters, { ...lab, cpus, memoryAvailableMiB: available })
      expect(jobs).toBeGreaterThanOrEqual(1)
      expect(jobs).toBeLessThanOrEqual(clusters.length)
      const largest = clusters.map(memoryOf).toSorted((a, b) => b - a)
      expect(budgetMiB).toBe(largest.slice(0, jobs).reduce((total, each) => total + each, 0))
      expect(jobs === 1 || budgetMiB < available).toBe(true)
    }),
  )
})
