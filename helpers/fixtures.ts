import type { V1Pod } from '@kubernetes/client-node'
import { awaitUntil } from './await.ts'
import { budgets } from './budgets.ts'
import { SetupError } from './errors.ts'
import { fixtureObjects, handMadeSlice, specsOf, type FixtureOptions } from './fixture-objects.ts'
import { runLabel } from './fixture-pods.ts'
import { handMadeTarget } from './fixture-services.ts'
import { isNotFound, type Kube } from './kube.ts'

/** Who publishes it in every namespace does so some time after the namespace is there. */
export const clusterCa = 'kube-root-ca.crt'

/**
 * Applies the fixtures. The pods of a fresh namespace are refused until its default service account exists, so
 * refused objects are sent again.
 *
 * @throws {BudgetExceeded} with the API server's last refusal
 */
export async function applyFixtures(
  kube: Kube,
  options: FixtureOptions,
  signal?: AbortSignal,
): Promise<void> {
  const objects = fixtureObjects(options)
  const pods = objects.filter(({ kind }) => kind === 'Pod')
  await kube.apply(objects.filter(({ kind }) => kind !== 'Pod'))
  await Promise.all(
    pods.map((pod) =>
      awaitUntil(
        async () => {
          const refusal = await kube.tryApply(pod)
          return refusal === undefined ? { done: true, value: undefined } : { done: false, seen: refusal }
        },
        {
          what: `the API server to accept fixture pod ${pod.metadata?.name}`,
          budget: budgets.fixturesReadyMs,
          next: 'look at what the API server said',
          ...(signal === undefined ? {} : { signal }),
        },
      ),
    ),
  )
}

/**
 * Waits until every fixture pod is Ready and has an address, and until the namespace has the cluster's authority.
 *
 * @param onSeen told which pods are still missing and why
 * @throws {BudgetExceeded} naming the pods that did not become Ready and what their containers wait for
 */
export async function awaitFixtures(
  kube: Kube,
  options: Pick<FixtureOptions, 'namespaces' | 'hostNetwork'>,
  onSeen?: (seen: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const specs = specsOf(options)
  const used = [...new Set(specs.map(({ namespace }) => options.namespaces[namespace]))]
  await awaitUntil(
    async () => {
      const [authority, ...lists] = await Promise.all([
        authorityMissing(kube, options.namespaces.main),
        ...used.map((namespace) => kube.core.listNamespacedPod({ namespace, labelSelector: runLabel })),
      ])
      const pods = lists.flatMap((list) => list.items)
      const failed = pods.find((pod) => pod.status?.phase === 'Failed')
      if (failed !== undefined) {
        throw new SetupError({
          what: `fixture pod ${failed.metadata?.name} failed`,
          seen: failed.status?.message ?? failed.status?.reason ?? 'no reason given',
          next: 'look at its events: kubectl describe pod',
        })
      }
      const waitingPods = specs.flatMap((spec) => {
        const pod = pods.find((candidate) => candidate.metadata?.name === spec.name)
        const reason = notReadyReason(pod)
        return reason === undefined ? [] : [`${spec.name} ${reason}`]
      })
      const waiting = [...waitingPods, ...authority]
      return waiting.length === 0
        ? { done: true, value: undefined }
        : { done: false, seen: waiting.join(', ') }
    },
    {
      what: 'the fixture pods to be Ready',
      budget: budgets.fixturesReadyMs,
      next: 'look at the pods and their events in the evidence folder; is the CNI running on that node?',
      ...(onSeen === undefined ? {} : { onSeen }),
      ...(signal === undefined ? {} : { signal }),
    },
  )
}

/**
 * Applies what is made for the addresses that the fixture pods got: the EndpointSlice of the Service without a selector.
 *
 * @throws {SetupError} when the API server does not accept it
 */
export async function applyHandMade(
  kube: Kube,
  options: Pick<FixtureOptions, 'runId' | 'namespaces'>,
): Promise<void> {
  const target = { name: handMadeTarget, namespace: options.namespaces.main }
  const { status } = await kube.core.readNamespacedPod(target)
  await kube.apply([handMadeSlice(status?.podIP ?? '', options)])
}

/** Says so while the namespace has no certificate of the cluster's authority. */
async function authorityMissing(kube: Kube, namespace: string): Promise<string[]> {
  try {
    await kube.core.readNamespacedConfigMap({ name: clusterCa, namespace })
    return []
  } catch (error) {
    if (isNotFound(error)) return [`ConfigMap ${clusterCa} does not exist`]
    throw error
  }
}

/** Why a pod is not Ready; undefined when it is. */
function notReadyReason(pod: V1Pod | undefined): string | undefined {
  if (pod === undefined) return 'does not exist'
  const ready = pod.status?.conditions?.some(
    (condition) => condition.type === 'Ready' && condition.status === 'True',
  )
  if (ready === true && pod.status?.podIP !== undefined) return undefined
  const waiting = pod.status?.containerStatuses?.find((status) => status.state?.waiting !== undefined)
  return waiting?.state?.waiting?.reason ?? pod.status?.phase ?? 'unknown'
}
