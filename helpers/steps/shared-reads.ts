import type { CoreV1Event, V1Pod } from '@kubernetes/client-node'
import type { Kube } from '../kube.ts'

/**
 * What the API says of pods that somebody waits for, read once for all who wait at the same time: on a machine with two
 * cores, eight that ask for themselves every 50 ms take away what the pods need to start.
 */

interface Read<T> {
  startedMs: number
  answer: Promise<T>
}

/**
 * @param everyMs milliseconds from one request to the next for the same namespace
 * @returns what `ask` brings, by a request that was sent at `notBeforeMs` (`performance.now`) or later
 */
function shared<T>(everyMs: number, ask: (kube: Kube, namespace: string) => Promise<T>) {
  const reads = new WeakMap<Kube, Map<string, Read<T>>>()
  return (kube: Kube, namespace: string, notBeforeMs: number): Promise<T> => {
    const byNamespace = reads.get(kube) ?? new Map<string, Read<T>>()
    reads.set(kube, byNamespace)
    const last = byNamespace.get(namespace)
    const startedMs = performance.now()
    if (last !== undefined && last.startedMs >= notBeforeMs && startedMs - last.startedMs < everyMs)
      return last.answer
    const answer = ask(kube, namespace)
    byNamespace.set(namespace, { startedMs, answer })
    return answer
  }
}

/** The pods of a namespace, by name. The times that are measured are as exact as it is often. */
export const podsOf = shared(200, async ({ core }, namespace): Promise<ReadonlyMap<string, V1Pod>> => {
  const { items } = await core.listNamespacedPod({ namespace })
  return new Map(items.map((pod) => [pod.metadata?.name ?? '', pod]))
})

/** What is complained of about pods of a namespace. */
export const warningsOf = shared(1_000, async ({ core }, namespace): Promise<readonly CoreV1Event[]> => {
  const fieldSelector = 'involvedObject.kind=Pod,type=Warning'
  return (await core.listNamespacedEvent({ namespace, fieldSelector })).items
})
