import type { KubernetesObject, V1Pod } from '@kubernetes/client-node'
import { awaitUntil } from './await.ts'
import { budgets, type Budget } from './budgets.ts'
import { SetupError } from './errors.ts'
import { readClusterDns } from './cluster-dns.ts'
import {
  dnsConfiguredPods,
  fixtureObjects,
  handMadeSlice,
  specsOf,
  usedNamespaces,
  type FixtureOptions,
  type OnHosts,
} from './fixture-objects.ts'
import { workerName } from './fixture-nodes.ts'
import { runLabel } from './fixture-pods.ts'
import { handMadeTarget } from './fixture-services.ts'
import { refuseHopelessPulls } from './image-pulls.ts'
import { isNotFound, type Kube } from './kube.ts'
import { watchRunPods, type RunPods } from './run-pods.ts'

/** Who publishes it in every namespace does so some time after the namespace is there. */
export const clusterCa = 'kube-root-ca.crt'

/**
 * Brings the fixtures up: applies them, waits until their pods are Ready, and applies what is made for the addresses that
 * they got.
 *
 * @throws {SetupError} see {@link applyFixtures} and {@link awaitFixtures}
 */
export async function raiseFixtures(kube: Kube, options: FixtureOptions & AwaitFixtures): Promise<void> {
  await applyFixtures(kube, options, await readClusterDns(kube), options.signal)
  using pods = await watchRunPods(kube)
  await awaitPods(kube, pods, options)
  const status = pods.get(handMadeTarget, options.namespaces.main)?.status
  await kube.apply([handMadeSlice(status?.podIP ?? '', options)])
}

/**
 * Applies the fixtures. The pods of a fresh namespace are refused until its default service account exists, so
 * refused objects are sent again, but for those that are forbidden.
 *
 * @throws {BudgetExceeded} with the API server's last refusal
 * @throws {SetupError} when a pod is forbidden
 */
async function applyFixtures(
  kube: Kube,
  options: FixtureOptions,
  clusterDns: string,
  signal?: AbortSignal,
): Promise<void> {
  const objects = [...fixtureObjects(options), ...dnsConfiguredPods(clusterDns, options)]
  const pods = objects.filter(({ kind }) => kind === 'Pod')
  await kube.apply(objects.filter(({ kind }) => kind !== 'Pod'))
  await Promise.all(
    pods.map((pod) =>
      awaitUntil(
        async () => {
          const refusal = await kube.tryApply(pod)
          if (refusal === undefined) return { done: true, value: undefined }
          if (isForbidden(refusal)) throw forbidden(pod, refusal)
          return { done: false, seen: refusal }
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

/** Admission has said no; of a service account that is on its way it says so, and changes its mind. */
const isForbidden = (refusal: string): boolean =>
  refusal.startsWith('HTTP 403') && !/service ?account/i.test(refusal)

const forbidden = ({ metadata }: KubernetesObject, seen: string): SetupError =>
  new SetupError({
    what: `the API server does not accept fixture pod ${metadata?.namespace}/${metadata?.name}`,
    seen,
    next: 'ask whoever owns the cluster: an admission rule, a quota or a missing permission forbids it',
  })

/** How the fixtures are waited for. */
export interface AwaitFixtures extends OnHosts, Pick<FixtureOptions, 'namespaces' | 'workers'> {
  /** The budget fixturesReadyMs unless said. */
  budget?: Budget
  /** Told which pods are still missing and why. */
  onSeen?: (seen: string) => void
  signal?: AbortSignal
}

/**
 * Waits until every fixture pod is Ready and has an address, and until the namespace has the cluster's authority.
 *
 * @throws {BudgetExceeded} naming the pods that did not become Ready and what their containers wait for
 * @throws {SetupError} as soon as a pod has failed, or its node cannot get an image of it
 */
export async function awaitFixtures(kube: Kube, options: AwaitFixtures): Promise<void> {
  using pods = await watchRunPods(kube)
  await awaitPods(kube, pods, options)
}

async function awaitPods(kube: Kube, pods: RunPods, options: AwaitFixtures): Promise<void> {
  const { budget = budgets.fixturesReadyMs, onSeen, signal } = options
  const used = new Set<string | undefined>(usedNamespaces(options))
  await awaitUntil(
    async () => {
      const ours = pods.all.filter(
        ({ metadata }) => used.has(metadata?.namespace) && metadata?.labels?.[runLabel] !== undefined,
      )
      await refuseHopeless(kube, ours)
      const waitingPods = notReady(ours, options)
      // It comes long before the pods, so it is asked for once.
      const waiting =
        waitingPods.length > 0 ? waitingPods : await authorityMissing(kube, options.namespaces.main)
      return waiting.length === 0
        ? { done: true, value: undefined }
        : { done: false, seen: pods.fault ?? waiting.join(', ') }
    },
    {
      what: 'the fixture pods to be Ready',
      budget,
      next: 'look at the pods and their events in the evidence folder; is the CNI running on that node?',
      everyMs: 1_000,
      wake: () => pods.changed(),
      ...(onSeen === undefined ? {} : { onSeen }),
      ...(signal === undefined ? {} : { signal }),
    },
  )
}

/** Time mends neither a pod that has failed nor an image that cannot be had. */
async function refuseHopeless(kube: Kube, pods: readonly V1Pod[]): Promise<void> {
  const failed = pods.find((pod) => pod.status?.phase === 'Failed')
  if (failed !== undefined) {
    throw new SetupError({
      what: `fixture pod ${failed.metadata?.name} failed`,
      seen: failed.status?.message ?? failed.status?.reason ?? 'no reason given',
      next: 'look at its events: kubectl describe pod',
    })
  }
  await refuseHopelessPulls(kube, pods)
}

/** The fixture pods that do not serve yet, each with its node and why. */
const notReady = (pods: readonly V1Pod[], options: AwaitFixtures): string[] =>
  specsOf(options).flatMap((spec) => {
    const reason = notReadyReason(pods.find(({ metadata }) => metadata?.name === spec.name))
    return reason === undefined
      ? []
      : [`${spec.name} on ${workerName(spec.node, options.workers)}: ${reason}`]
  })

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
