import type { V1Namespace } from '@kubernetes/client-node'
import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { SetupError } from '../../helpers/errors.ts'
import { namespaceObjects, type FixtureNamespaces } from '../../helpers/fixture-objects.ts'
import { managedSelector, runLabel } from '../../helpers/fixture-pods.ts'
import { apiMessage, isNotFound, type Kube } from '../../helpers/kube.ts'
import { Watched } from '../../helpers/watched.ts'
import { expiryOf } from './connection.ts'
import {
  Traces,
  keepFor,
  kubectl,
  namesFrom,
  takenNames,
  type Home,
  type HousingContext,
  type Swept,
} from './housing.ts'

/** Two namespaces that a run makes for itself. */

/** Their names. */
export const ownNames = (runId: string): FixtureNamespaces => namesFrom(`cni-conformance-${runId}`)

/** Two new namespaces for a run; they and all in them go with it. */
export function ownNamespaces(context: HousingContext): Home {
  const { given, kube, runId } = context
  const namespaces = ownNames(runId)
  const names = takenNames(namespaces)
  const objects = namespaceObjects({ namespaces, runId, hostNetwork: false })
  const traces = new Traces()
  return {
    namespaces,
    what: `namespaces ${names.join(' and ')}`,
    byHand: `${kubectl(given)} delete namespace ${names.join(' ')}`,
    objects,
    async take() {
      for (const object of objects) {
        const seen = await traces.made(() => kube.tryApply(object))
        if (seen !== undefined) throw notToBeMade(object.metadata?.name ?? '', seen)
      }
    },
    async leave(onSeen) {
      if (!traces.mayExist) return
      const ours = (namespace: V1Namespace): boolean => namespace.metadata?.labels?.[runLabel] === runId
      await Promise.all(names.map((name) => endPods(kube, name, runId)))
      await deleteNamespaces(kube, names, ours, onSeen)
    },
    keep: () => keepFor(context, objects),
  }
}

/**
 * Kubernetes looks at what is in a namespace five seconds after its deletion, and again some seconds later where pods are
 * still ending: those that end at once are gone by the first look. Whatever fails here, the deletion itself sees to.
 */
async function endPods(kube: Kube, namespace: string, runId: string): Promise<void> {
  try {
    await kube.core.deleteCollectionNamespacedPod({ namespace, labelSelector: `${runLabel}=${runId}` })
  } catch {
    // Nothing is lost but seconds.
  }
}

const notToBeMade = (name: string, seen: string): SetupError =>
  new SetupError({
    what: `namespace ${name} cannot be made`,
    seen,
    next: '`cni-conformance rbac` prints the role that a run needs; with --namespace it needs no right to make namespaces',
  })

/**
 * Deletes the namespaces of runs that have expired: those with our label whose time is past, and no others. It does not
 * wait for their end unless it is told to.
 *
 * @throws {BudgetExceeded} when they stay
 */
export async function sweepNamespaces(kube: Kube, options: { wait: boolean }): Promise<Swept> {
  const { items } = await kube.core.listNamespace({ labelSelector: oursSelector })
  const now = new Date()
  const swept: Swept = { removed: [], kept: [] }
  for (const namespace of items) {
    const name = namespace.metadata?.name ?? ''
    if (hasExpired(namespace, now)) swept.removed.push(name)
    else {
      const run = namespace.metadata?.labels?.[runLabel] ?? ''
      swept.kept.push({ name, run, expires: expiryOf(namespace.metadata?.annotations) })
    }
  }
  const isPast = (namespace: V1Namespace): boolean => hasExpired(namespace, now)
  if (options.wait) await deleteNamespaces(kube, swept.removed, isPast)
  // One that cannot be deleted is the next sweep's again.
  else await Promise.allSettled(items.filter(isPast).map((each) => askToDelete(kube, each)))
  return swept
}

function hasExpired({ metadata }: V1Namespace, now: Date): boolean {
  const expires = expiryOf(metadata?.annotations)
  return expires !== undefined && expires < now
}

/** What every namespace of a run has, and no other. */
const oursSelector = `${managedSelector},${runLabel}`

/** Deletes namespaces that pass the test when they are looked at again, and waits until they are gone. */
async function deleteNamespaces(
  kube: Kube,
  names: readonly string[],
  may: (namespace: V1Namespace) => boolean,
  onSeen?: (seen: string) => void,
): Promise<void> {
  using namespaces = await Watched.open<V1Namespace>(kube.config, {
    path: '/api/v1/namespaces',
    labelSelector: oursSelector,
    list: (labelSelector) => kube.core.listNamespace({ labelSelector }),
  })
  const asked = new Set<string | undefined>()
  await awaitUntil(
    async () => {
      // Those that do not pass are somebody else's by now: not ours to wait for.
      const there = namespaces.all.filter((each) => names.includes(each.metadata?.name ?? '') && may(each))
      const left = (await Promise.all(there.map((each) => bringToEnd(kube, each, asked)))).flat()
      return left.length === 0 && namespaces.fault === undefined
        ? { done: true, value: undefined }
        : { done: false, seen: [namespaces.fault ?? [], left].flat().join('\n') }
    },
    {
      what: `namespaces ${names.join(' and ')} to be gone`,
      budget: budgets.givenDeleteMs,
      next: `delete them by hand: kubectl delete namespace ${names.join(' ')}`,
      everyMs: 1_000,
      wake: () => namespaces.changed(),
      ...(onSeen === undefined ? {} : { onSeen }),
    },
  )
}

/** Asks for the end of a namespace, and of no other that has its name by now. */
async function askToDelete(kube: Kube, { metadata }: V1Namespace): Promise<void> {
  const preconditions = metadata?.uid === undefined ? {} : { uid: metadata.uid }
  await kube.core.deleteNamespace({ name: metadata?.name ?? '', body: { preconditions } })
}

/**
 * Asks once for the end of a namespace that lives; says what keeps one that is going.
 *
 * @param asked uids of those whose end was asked for already, of which nothing may have been told yet
 */
async function bringToEnd(
  kube: Kube,
  namespace: V1Namespace,
  asked: Set<string | undefined>,
): Promise<string[]> {
  const { metadata, status } = namespace
  const name = metadata?.name ?? ''
  try {
    if (metadata?.deletionTimestamp === undefined && !asked.has(metadata?.uid)) {
      await askToDelete(kube, namespace)
      asked.add(metadata?.uid)
    }
    const stuck = (status?.conditions ?? []).flatMap(({ status, message }) =>
      status === 'True' && message !== undefined ? [message] : [],
    )
    return [`${name} is going${stuck.length === 0 ? '' : `: ${stuck.join('; ')}`}`]
  } catch (error) {
    return isNotFound(error) ? [] : [`${name}: ${apiMessage(error)}`]
  }
}
