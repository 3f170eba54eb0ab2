import { expect, test } from 'vitest'
import { observeApi } from './api-verdict.ts'
import type { Observation } from './observation.ts'
import { healthyWorld } from './world.testdata.ts'
import type { World } from './world.ts'

const world = healthyWorld()
const echo = world.services.get('echo')
if (echo === undefined) throw new Error('no echo')

/** What is seen of a Service whose EndpointSlices hold these addresses. */
function seen(service: 'echo' | 'echo-named', ready: readonly string[] | undefined, pods = world.pods) {
  const services: Map<string, NonNullable<typeof echo>> = new Map(world.services)
  services.delete(service)
  if (ready !== undefined && echo !== undefined) services.set(service, { ...echo, ready: [...ready] })
  return observeApi({ endpointsOf: service, expect: 'reached' }, { ...world, services, pods })
}

test('EndpointSlices that hold the ready pods are as they must be', () => {
  expect(seen('echo', echo.ready)).toEqual<Observation>({
    probe: 'EndpointSlices of echo',
    from: { name: 'the API server' },
    to: { name: 'cnic-main/echo' },
    via: 'api',
    protocol: 'none',
    expected: 'reached',
    verdict: 'reached',
    attempts: 1,
    asked: 1,
    answered: 1,
    peers: [],
  })
})

test.each([
  ['one too few', echo.ready.slice(1), echo.ready.slice(1).join(', ')],
  ['one too many', [...echo.ready, '192.0.2.1'], [...echo.ready, '192.0.2.1'].join(', ')],
  ['nobody', [], 'nothing'],
  ['no Service', undefined, 'nothing'],
])('%s is wrong, and both sides are told', (_name, ready, held) => {
  expect(seen('echo', ready)).toMatchObject({
    verdict: 'wrong-answer',
    detail: `EndpointSlices hold ${held}; ready are ${echo.ready.join(', ')}`,
  })
})

test('of a cluster with two families a Service has both where it asks for both, and one elsewhere', () => {
  const pods: World['pods'] = world.pods.map((pod, at) => ({ ...pod, ips: [pod.ip, `fd00::${at + 1}`] }))
  const ours = pods.filter(({ namespace }) => namespace === 'main')
  const [one, both] = [ours.map(({ ip }) => ip), ours.flatMap(({ ips }) => ips)].map((each) =>
    each.toSorted(),
  )
  expect(seen('echo', both, pods).verdict).toBe('reached')
  expect(seen('echo', one, pods).verdict).toBe('wrong-answer')
  expect(seen('echo-named', one, pods).verdict).toBe('reached')
  expect(seen('echo-named', both, pods).verdict).toBe('wrong-answer')
})

test('with no ready pod nothing can be said', () => {
  const pods = world.pods.map((pod) => ({ ...pod, ready: false }))
  expect(seen('echo', [], pods)).toMatchObject({
    verdict: 'unknown',
    detail: 'no fixture pod is ready, so that nothing can be behind the Service',
  })
})
