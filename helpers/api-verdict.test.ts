import { expect, test } from 'vitest'
import { observeApi } from './api-verdict.ts'
import { healthyWorld } from './world.testdata.ts'

const probe = { endpointsOf: 'echo', expect: 'reached' } as const

test('EndpointSlices must hold the ready pods, no more and no less', () => {
  const world = healthyWorld()
  const service = world.services.get('echo')
  if (service === undefined) throw new Error('no echo')
  expect(observeApi(probe, world)).toMatchObject({ verdict: 'reached' })
  for (const ready of [service.ready.slice(1), [...service.ready, '192.0.2.1'], []]) {
    const services = new Map(world.services).set('echo', { ...service, ready })
    expect(observeApi(probe, { ...world, services })).toMatchObject({
      verdict: 'wrong-answer',
      detail: expect.stringContaining(`ready are ${service.ready.join(', ')}`),
    })
  }
})

test('with no ready pod nothing can be said', () => {
  const world = healthyWorld()
  const pods = world.pods.map((pod) => ({ ...pod, ready: false }))
  expect(observeApi(probe, { ...world, pods })).toMatchObject({ verdict: 'unknown' })
})
