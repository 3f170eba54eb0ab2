import type { CoreV1Event, V1Container, V1Pod } from '@kubernetes/client-node'
import { awaitUntil } from '../await.ts'
import { budgets } from '../budgets.ts'
import { messageOf } from '../errors.ts'
import { containers } from '../fixture-pods.ts'
import { containerLike, podLike } from './pod-like.ts'
import { warningsOf } from './pod-warnings.ts'
import { apiMessage, isNotFound, type Kube } from '../kube.ts'
import type { RunPods } from '../run-pods.ts'
import type { World, WorldPod } from '../world.ts'

/** Pods that a check starts and stops itself. */

/**
 * The tools are asked for nothing here. As process 1 of their container they take no notice of SIGTERM, which would make
 * every deletion a second longer.
 */
const agentAlone = (of: readonly V1Container[]): { containers: V1Container[] } => ({
  containers: of.filter(({ name }) => name === containers.agent).map(containerLike),
})

/** Seconds that a lingering pod serves on at most: longer than a check has steps. It goes when its stream is closed. */
const lingerSeconds = 50

/** A pod of a check's own, like the fixture pods of its node. Pure. */
export const ownPodObject = (model: V1Pod, pod: WorldPod, namespace: string): V1Pod =>
  podLike(model, pod, namespace, (of) =>
    pod.lingers === true ? lingering(agentAlone(of).containers) : agentAlone(of),
  )

const lingering = (of: readonly V1Container[]) => ({
  containers: of.map((container) =>
    Object.assign({}, container, {
      env: [...(container.env ?? []), { name: 'AGENT_LINGER_MS', value: String(lingerSeconds * 1_000) }],
    }),
  ),
  terminationGracePeriodSeconds: lingerSeconds + 5,
})

/** What became of the start of a pod. */
export type PodStart =
  | { state: 'ready'; pod: WorldPod; readyMs: number }
  /** The network plugin says that it could not set it up: evidence against the network. */
  | { state: 'no-network'; event: string }
  /** It does not run, and nobody says that it is the network. */
  | { state: 'unknown'; why: string }

/** How a pod is waited for. */
export interface StartOptions {
  signal?: AbortSignal
  /** Milliseconds that a pod may be without a network until it is a finding; the budget podNetworkMs unless said. */
  settledMs?: number
}

/** How often a pod is looked at of which nothing is told, in milliseconds. */
const everyMs = 500

/**
 * Creates a pod like the fixture pods of its node, and waits until it is Ready with an address.
 *
 * @param pod as it will be, without an address
 * @throws the signal's reason
 */
export async function startPod(
  kube: Kube,
  pods: RunPods,
  world: World,
  pod: WorldPod,
  { signal, settledMs = budgets.podNetworkMs.ms }: StartOptions,
): Promise<PodStart> {
  const neighbour = world.pods.find((each) => each.node === pod.node)
  if (neighbour === undefined) throw new Error(`no fixture pod on ${pod.node}`)
  const model = pods.get(neighbour.name, world.namespaces[neighbour.namespace])
  if (model === undefined) return { state: 'unknown', why: `${neighbour.fullName} is gone` }
  const namespace = world.namespaces[pod.namespace]
  const startedMs = performance.now()
  const refusal = await kube.tryApply(ownPodObject(model, pod, namespace))
  if (refusal !== undefined) return { state: 'unknown', why: `the API server did not accept it: ${refusal}` }
  const appliedMs = performance.now()
  let brokenSinceMs: number | undefined
  try {
    return await awaitUntil<PodStart>(
      async () => {
        const nowMs = performance.now()
        const { running, seen, uid } = lookAt(pod, pods.get(pod.name, namespace))
        if (running !== undefined) {
          return { done: true, value: { state: 'ready', pod: running, readyMs: nowMs - startedMs } as const }
        }
        if (nowMs - startedMs < eventsAfterMs) return { done: false, seen: pods.fault ?? seen }
        const event = networkFailure(await warningsOf(kube, namespace, appliedMs), uid)
        if (event === undefined) return { done: false, seen }
        brokenSinceMs ??= nowMs
        return nowMs - brokenSinceMs >= settledMs
          ? { done: true, value: { state: 'no-network', event } as const }
          : { done: false, seen: event }
      },
      {
        what: `pod ${pod.fullName} to be Ready`,
        budget: budgets.ownPodReadyMs,
        next: 'look at its events',
        everyMs,
        wake: () => pods.changed(),
        ...(signal === undefined ? {} : { signal }),
      },
    )
  } catch (error) {
    signal?.throwIfAborted()
    return { state: 'unknown', why: messageOf(error) }
  }
}

/** After this without being Ready, the events of a pod are read too, in milliseconds: pods start within 2 s, on a busy machine in 3. */
const eventsAfterMs = 3_000

function lookAt(
  pod: WorldPod,
  { metadata, status, spec }: Partial<V1Pod> = {},
): { running?: WorldPod; seen: string; uid: string } {
  const ip = status?.podIP ?? ''
  const uid = metadata?.uid ?? ''
  // One that is going may go on to say that it is Ready: that it has gone may not have been told of yet.
  const isReady =
    status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
  const ready = isReady && metadata?.deletionTimestamp === undefined
  const waiting = status?.containerStatuses?.find(({ state }) => state?.waiting !== undefined)
  const seen = waiting?.state?.waiting?.reason ?? status?.phase ?? 'no status'
  if (!ready || ip === '') return { seen, uid }
  const labels = metadata?.labels ?? {}
  return { seen, uid, running: { ...pod, uid, ip, ready, runsOn: spec?.nodeName, labels } }
}

/** How containerd and CRI-O say that the network plugin failed, and the kubelet that there is none. */
const saysNetwork = /failed to set ?up network|to CNI network|network plugin|network is not ready/i

function networkFailure(warnings: readonly CoreV1Event[], uid: string): string | undefined {
  const last = warnings
    .filter(({ involvedObject, message = '' }) => involvedObject.uid === uid && saysNetwork.test(message))
    .at(-1)
  return last === undefined ? undefined : `${last.reason}: ${last.message}`
}

/**
 * Deletes a pod and waits until it is gone from the API; one that does not exist is gone.
 *
 * @param graceSeconds instead of the pod's own
 * @throws {BudgetExceeded} when it stays
 */
export async function deletePod(
  kube: Kube,
  pods: RunPods,
  { name, fullName, uid }: WorldPod,
  namespace: string,
  graceSeconds?: number,
): Promise<void> {
  const grace = graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }
  let asked = false
  await awaitUntil(
    async () => {
      try {
        if (!asked) await kube.core.deleteNamespacedPod({ name, namespace, ...grace })
        asked = true
        const told = pods.get(name, namespace)
        // Who was among them, which its uid says, and is not any more, is gone.
        if (told === undefined && uid !== '' && pods.fault === undefined)
          return { done: true, value: undefined }
        // What was made a moment ago may not have been told of yet, so that it is gone is never concluded from silence.
        const there = told ?? (await kube.core.readNamespacedPod({ name, namespace }))
        return {
          done: false,
          seen: pods.fault ?? `it is still there (${there.status?.phase ?? 'no status'})`,
        }
      } catch (error) {
        return isNotFound(error) ? { done: true, value: undefined } : { done: false, seen: apiMessage(error) }
      }
    },
    {
      what: `pod ${fullName} to be gone`,
      budget: budgets.ownPodGoneMs,
      next: `delete it by hand: kubectl -n ${namespace} delete pod ${name}`,
      everyMs,
      wake: () => pods.changed(),
    },
  )
}
