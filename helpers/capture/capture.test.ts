import { expect, test } from 'vitest'
import { captureLimits } from '../budgets.ts'
import { defineCheck } from '../check.ts'
import type { Outcome } from '../observation.ts'
import { outcomeOf } from '../outcome.ts'
import { makePlan } from '../plan/plan.ts'
import { observe, type Replies } from '../verdict.ts'
import { healthyWorld } from '../world.testdata.ts'
import { capturePaths, type CaptureSource } from './capture.ts'
import type { CaptureRequest } from './captured.ts'

const world = healthyWorld()
const silent: Replies = { result: () => undefined, fault: () => undefined }
const declared = { features: [], expect: [], matches: () => false }

const check = (id: string, node: 'worker1' | 'worker2', protocol: 'tcp' | 'http' = 'tcp') =>
  defineCheck({
    id,
    level: 'core',
    covers: ['P3'],
    requirement: 'It MUST answer.',
    pods: { a: { node: 'worker1' }, b: { node } },
    probes: [
      { from: 'a', to: 'b', via: 'pod-ip', protocol },
      { from: 'b', to: 'a', via: 'pod-ip', protocol },
    ],
  })

const checks = [check('x/far', 'worker2'), check('x/web', 'worker2', 'http'), check('x/near', 'worker1')]

/** All that these checks asked was in vain. */
const failed = checks.map((each): Outcome => {
  const seen = makePlan([each], world).probes.map((planned) => observe(planned, silent, world))
  return { ...outcomeOf(each, seen, 0, declared), outcome: 'failed' }
})

const source = { world, ask: () => Promise.resolve(silent) } satisfies CaptureSource
const textsOf = async (of: CaptureSource): Promise<(string | undefined)[]> => {
  const { files } = await capturePaths(of, checks, failed)
  return checks.map(({ id }) => files.get(id)?.text)
}

test('each path is asked for once, on the nodes of its ends, by the addresses of both', async () => {
  const asked: string[] = []
  const requests: CaptureRequest[] = []
  const { conclusions, files } = await capturePaths(
    {
      ...source,
      ask: (probes) => {
        asked.push(...probes.map(({ check }) => check.id))
        return source.ask()
      },
      start: (node, request) => {
        requests.push(request)
        return Promise.resolve({ stop: () => Promise.resolve({ node, places: {}, packets: [] }) })
      },
    },
    checks,
    failed,
  )
  expect(asked).toEqual(['x/far', 'x/far', 'x/near', 'x/near'])
  expect(asked.length).toBeLessThanOrEqual(captureLimits.pairs)
  expect(requests).toHaveLength(2)
  expect(requests[0]?.pairs).toContainEqual(['10.244.1.10', expect.stringMatching(/^10\.244\.2\./)])
  expect([...conclusions.keys()]).toEqual(['x/far', 'x/web', 'x/near'])
  expect(files.get('x/far')?.pcapng?.length).toBeGreaterThan(0)
  expect(files.get('x/web')).toEqual({
    text: expect.stringContaining('The same path was captured for x/far: see ../x.far/capture.txt') as string,
  })
})

test('what cannot be captured is said, and nothing fails', async () => {
  const noAccess = 'no capture: this run has no access to the nodes of the cluster\n'
  expect(await textsOf(source)).toEqual([noAccess, noAccess, noAccess])
  const start = () => Promise.reject(new Error('could not build it: no Go'))
  expect((await textsOf({ ...source, start }))[0]).toBe('no capture: could not build it: no Go\n')
})
