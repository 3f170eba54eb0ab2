import type { CoreV1Event } from '@kubernetes/client-node'
import type { Kube } from '../kube.ts'

interface Read {
  startedMs: number
  answer: Promise<readonly CoreV1Event[]>
}

/** Milliseconds from one request to the next for the same namespace. */
const everyMs = 2_000

const reads = new WeakMap<Kube, Map<string, Read>>()

/**
 * What is complained of about pods of a namespace, read once for all who wait at the same time: on a machine with two
 * cores, eight that ask for themselves take away what their pods need to start.
 *
 * @returns what a request brings that was sent at `notBeforeMs` (`performance.now`) or later
 */
export function warningsOf(
  kube: Kube,
  namespace: string,
  notBeforeMs: number,
): Promise<readonly CoreV1Event[]> {
  const byNamespace = reads.get(kube) ?? new Map<string, Read>()
  reads.set(kube, byNamespace)
  const last = byNamespace.get(namespace)
  const startedMs = performance.now()
  if (last !== undefined && last.startedMs >= notBeforeMs && startedMs - last.startedMs < everyMs)
    return last.answer
  const answer = read(kube, namespace)
  byNamespace.set(namespace, { startedMs, answer })
  return answer
}

async function read({ core }: Kube, namespace: string): Promise<readonly CoreV1Event[]> {
  const fieldSelector = 'involvedObject.kind=Pod,type=Warning'
  return (await core.listNamespacedEvent({ namespace, fieldSelector })).items
}
