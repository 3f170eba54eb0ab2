import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { defineCheck, type Check } from '../check.ts'
import type { LifeFaults } from './life.testdata.ts'
import { runSteps } from './steps.ts'
import { simulate } from './steps.testdata.ts'
import { healthyWorld } from '../world.testdata.ts'

const world = healthyWorld()
const pods = {
  one: { node: 'worker1', own: true, lingers: true },
  two: { node: 'worker2', own: true },
  near: { node: 'worker1' },
  far: { node: 'worker2' },
} as const
type Role = keyof typeof pods

const owned = fc.subarray<Role>(['one', 'two'])
const beside = { from: ['near'], to: ['far'], protocols: ['tcp'] } as const
const services = { front: { selects: ['one', 'two'] } } as const
const flow = fc.record({
  from: fc.constantFrom<[Role]>(['near'], ['far'], ['one']),
  to: fc.constantFrom<[Role | 'front']>(['one'], ['two'], ['near'], ['front']),
  via: fc.constantFrom(
    'pod-ip',
    'former-ip',
    'former-record',
    'pod-record',
    'cluster-ip',
    'node-port',
    'record',
  ),
  protocols: fc.constant(['tcp'] as const),
})
const step = fc.record({
  start: owned,
  terminate: fc.subarray<Role>(['one']),
  stop: owned,
  apply: fc.subarray(['front']),
  delete: fc.subarray(['front']),
  types: fc.constantFrom({}, {}, { front: 'NodePort' } as const, { front: 'ClusterIP' } as const),
  flows: fc.array(flow, { minLength: 1, maxLength: 2 }),
  role: fc.constantFrom('judged', 'control'),
})

/** A check of any steps; undefined where they make no sense. */
const check = fc
  .array(step, { minLength: 1, maxLength: 4 })
  .map((steps): Check | undefined => {
    try {
      return defineCheck({
        id: 'life-cycle/any/steps',
        level: 'extended',
        covers: ['P5'],
        requirement: 'Whatever comes and goes MUST go in the end.',
        pods,
        services,
        steps: steps.map((each, at) => ({ name: `${at}`, ...each, flows: [beside, ...each.flows] })),
      })
    } catch {
      return undefined
    }
  })
  .filter((made) => made !== undefined)

const faults = fc.constantFrom<LifeFaults>(
  { ghost: () => 'refused' },
  { ghost: () => world.pods[0] },
  { start: () => ({ state: 'no-network', event: 'none' }) },
  { start: (_pod, nth) => (nth % 2 === 0 ? undefined : { state: 'unknown', why: 'no room' }) },
  { addresses: Array.from({ length: 20 }, (_, nth) => `10.244.1.${50 + (nth % 3)}`) },
)

const run = async (made: Check, life: LifeFaults) => {
  const network = simulate({ world, life })
  const [outcome] = await runSteps([made], { ...network, settledMs: 20 })
  const count = (what: string): number => network.log.changes.filter((each) => each.startsWith(what)).length
  return { outcome, started: count('start '), stopped: count('stop ') }
}

test('steps that make sense fail nothing on a healthy network, and what they start they stop', async () => {
  await fc.assert(
    fc.asyncProperty(check, async (made) => {
      const { outcome, started, stopped } = await run(made, {})
      expect(outcome?.outcome).not.toBe('failed')
      expect(stopped).toBe(started)
    }),
    { numRuns: 40 },
  )
})

test('whatever goes wrong, what they start they stop, and nothing is called right that was not asked', async () => {
  await fc.assert(
    fc.asyncProperty(check, faults, async (made, life) => {
      const { outcome, started, stopped } = await run(made, life)
      expect(stopped).toBe(started)
      const wentThrough = outcome?.steps?.length === made.steps?.length
      expect(wentThrough || outcome?.outcome !== 'passed').toBe(true)
    }),
    { numRuns: 40 },
  )
})
