import { describe, expect, test } from 'vitest'
import { defineCheck } from './check.ts'
import { balancedName } from './fixture-services.ts'
import { judgeHealth } from './health-verdict.ts'
import type { Observation } from './observation.ts'
import { makePlan } from './plan/plan.ts'
import type { WireResult } from './agent/protocol.ts'
import { observe } from './verdict.ts'
import { healthyWorld } from './world.testdata.ts'
import type { World } from './world.ts'

const check = defineCheck({
  id: 'test/health',
  level: 'extended',
  covers: ['S4'],
  features: ['own-cluster', 'outside'],
  requirement: 'It MUST tell.',
  pods: {},
  probes: [{ from: 'outside', healthOf: balancedName }],
})

/** What comes of asking, when every node answers like this. */
function seen(answer: Partial<WireResult>, world: World = healthyWorld()): Observation[] {
  const replies = {
    result: (_agent: string, id: number) => ({ id, end: 'answered' as const, attempts: 1, ms: 1, ...answer }),
    fault: () => undefined,
  }
  return makePlan([check], world).probes.map((planned) => observe(planned, replies, world))
}

const verdicts = (observations: readonly Observation[]): Record<string, string> =>
  Object.fromEntries(observations.map(({ to, verdict }) => [to.node ?? '', verdict]))

describe('what nodes say to a load balancer', () => {
  test('200 is right where an endpoint is, and 503 elsewhere', () => {
    expect(verdicts(seen({ status: 200 }))).toEqual({
      'control-plane': 'wrong-answer',
      worker: 'reached',
      worker2: 'reached',
    })
    expect(verdicts(seen({ status: 503 }))).toEqual({
      'control-plane': 'reached',
      worker: 'wrong-answer',
      worker2: 'wrong-answer',
    })
  })

  test('the reason names the endpoints', () => {
    const [controlPlane, worker] = seen({ status: 503 })
    expect(controlPlane?.detail).toBe(
      `HTTP 503: control-plane has no ready endpoint of cnic-main/${balancedName}`,
    )
    expect(worker?.detail).toBe(
      'HTTP 503 instead of 200: cnic-main/worker1-a, cnic-main/worker1-b are Ready on worker',
    )
  })

  test('an endpoint that is not Ready does not count', () => {
    const world = healthyWorld()
    const without = (...names: string[]): World => ({
      ...world,
      pods: world.pods.map((pod) => (names.includes(pod.name) ? { ...pod, ready: false } : pod)),
    })
    const [, one] = seen({ status: 503 }, without('worker1-a'))
    expect(one?.detail).toBe('HTTP 503 instead of 200: cnic-main/worker1-b is Ready on worker')
    const [, none] = seen({ status: 503 }, without('worker1-a', 'worker1-b'))
    expect(none?.verdict).toBe('reached')
  })

  test('silence and a refusal are neither', () => {
    for (const [end, verdict] of [
      ['timeout', 'timed-out'],
      ['refused', 'refused'],
      ['local-error', 'unknown'],
    ] as const)
      expect(new Set(Object.values(verdicts(seen({ end }))))).toEqual(new Set([verdict]))
  })

  test('another status, or none, is none of both', () => {
    expect(new Set(Object.values(verdicts(seen({ status: 404 }))))).toEqual(new Set(['wrong-answer']))
    for (const { verdict, detail } of seen({}))
      expect([verdict, detail]).toEqual(['unknown', 'the agent did not say which status it got'])
  })

  test('a connection that nobody asked for says nothing', () => {
    const [planned] = makePlan([check], healthyWorld()).probes
    if (planned === undefined) throw new Error('nothing is asked')
    const { health: _none, ...other } = planned
    expect(judgeHealth(other, { id: 0, end: 'answered', attempts: 1, ms: 1, status: 200 })).toEqual({
      verdict: 'unknown',
      detail: 'a connection to no target',
    })
  })

  test('without the port there is nobody to ask', () => {
    const world = healthyWorld()
    const services = new Map([...world.services].filter(([name]) => name !== balancedName))
    expect(seen({ status: 200 }, { ...world, services })).toMatchObject([
      { verdict: 'unreachable', detail: `cnic-main/${balancedName} has no healthCheckNodePort` },
    ])
  })
})
