import { expect, test } from 'vitest'
import { sleep } from '../await.ts'
import type { Kube } from '../kube.ts'
import { warningsOf } from './pod-warnings.ts'

/** A connection that counts what it is asked. */
function counting(): { kube: Kube; asked: string[] } {
  const asked: string[] = []
  const listNamespacedEvent = async ({ namespace }: { namespace: string }) => {
    asked.push(namespace)
    await sleep(5)
    return { items: [{ message: `event ${asked.length}` }] }
  }
  return { kube: { core: { listNamespacedEvent } } as unknown as Kube, asked }
}

test('all who wait at the same time share one request', async () => {
  const { kube, asked } = counting()
  const sinceMs = performance.now()
  const reads = await Promise.all(Array.from({ length: 8 }, () => warningsOf(kube, 'main', sinceMs)))
  expect(asked).toEqual(['main'])
  expect(new Set(reads).size).toBe(1)
})

test('nobody is told what was read before what they have changed', async () => {
  const { kube, asked } = counting()
  await warningsOf(kube, 'main', 0)
  const changedMs = performance.now()
  const after = await warningsOf(kube, 'main', changedMs)
  expect(after).toEqual([{ message: 'event 2' }])
  expect(asked).toHaveLength(2)
})

test('namespaces and connections are read apart', async () => {
  const [one, other] = [counting(), counting()]
  await Promise.all([
    warningsOf(one.kube, 'main', 0),
    warningsOf(one.kube, 'other', 0),
    warningsOf(other.kube, 'main', 0),
  ])
  expect(one.asked).toEqual(['main', 'other'])
  expect(other.asked).toEqual(['main'])
})

test('who asks later is told what is true then', async () => {
  const { kube, asked } = counting()
  await warningsOf(kube, 'main', 0)
  await sleep(2_050)
  await warningsOf(kube, 'main', 0)
  expect(asked).toHaveLength(2)
})
