import type { KubernetesObject, V1ConfigMap } from '@kubernetes/client-node'
import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { SetupError } from '../../helpers/errors.ts'
import { programName, runLabel } from '../../helpers/fixture-pods.ts'
import { apiMessage, type Kube } from '../../helpers/kube.ts'
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
import { find, isForeign, isOurs, kinds, remove, textOf, type Found } from '../run-objects.ts'
/**
 * Two namespaces that are there already and stay. A run takes them by a ConfigMap that only one can create, and deletes
 * only what has its label.
 */

/** Name of the ConfigMap that says whose the namespaces are. */
const claimName = 'cni-conformance'

/** Two namespaces of the user's, for one run at a time. */
export function borrowedNamespaces(context: HousingContext, name: string): Home {
  const { given, kube, runId } = context
  const namespaces = namesFrom(name)
  const names = takenNames(namespaces)
  const objects = names.map((namespace) => claimObject(namespace))
  const selector = `${runLabel}=${runId}`
  const traces = new Traces()
  return {
    namespaces,
    what: `what it made in namespaces ${names.join(' and ')}`,
    byHand: names
      .map((each) => `${kubectl(given)} -n ${each} delete ${kinds.join(',')} -l ${selector}`)
      .join(' && '),
    objects,
    async take() {
      // In one order, so that two runs cannot each have one of them.
      for (const claim of objects) await take(kube, claim, traces)
      await refuseForeign(kube, names)
    },
    async leave(onSeen) {
      if (traces.mayExist) await deleteRun(kube, names, runId, onSeen)
    },
    keep: () => keepFor(context, objects),
  }
}

const claimObject = (namespace: string): V1ConfigMap & KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: claimName, namespace },
})

/** Creates the claim on one namespace; one that has expired is swept and gives way. */
async function take(kube: Kube, claim: V1ConfigMap, traces: Traces): Promise<void> {
  const namespace = claim.metadata?.namespace ?? ''
  for (let again = true; ; again = false) {
    const refusal = await traces.made(() => create(kube, kube.marked(claim)))
    if (refusal === undefined) return
    const taken = refusal.startsWith('HTTP 409')
    if (taken && again) await sweepBorrowed(kube, [namespace])
    else throw taken ? await inUse(kube, namespace) : notToBeHad(namespace, refusal)
  }
}

/** Creates, and never takes over as apply would; returns what the API server said against it. */
async function create(kube: Kube, body: V1ConfigMap): Promise<string | undefined> {
  try {
    await kube.core.createNamespacedConfigMap({ namespace: body.metadata?.namespace ?? '', body })
    return undefined
  } catch (error) {
    return apiMessage(error)
  }
}

function notToBeHad(namespace: string, seen: string): SetupError {
  return new SetupError({
    what: `namespace ${namespace} cannot be taken`,
    seen,
    next: 'with --namespace NAME the namespaces NAME and NAME-other must exist, and this user must have the role in them that `cni-conformance rbac --namespace NAME` prints',
  })
}

async function inUse(kube: Kube, namespace: string): Promise<SetupError> {
  const claim = await kube.core.readNamespacedConfigMap({ name: claimName, namespace })
  const run = claim.metadata?.labels?.[runLabel] ?? 'somebody else'
  const expires = expiryOf(claim.metadata?.annotations)
  return new SetupError({
    what: `namespace ${namespace} is taken by run ${run}`,
    seen: `its ConfigMap ${claimName} expires ${expires === undefined ? 'never' : `at ${expires.toISOString()}`}`,
    next: 'wait until that run is over, or give this one two namespaces of its own; what has expired is deleted by the next run',
  })
}

/**
 * The policies under test isolate every pod of a namespace, and what is applied takes objects of its names over: so
 * nobody else may live there.
 */
async function refuseForeign(kube: Kube, names: readonly string[]): Promise<void> {
  const foreign = (await find(kube, names)).filter((each) => isForeign(each, [claimName, programName]))
  if (foreign.length === 0) return
  throw new SetupError({
    what: `the namespaces ${names.join(' and ')} are not free: what is checked there would touch what lives there`,
    seen: foreign.map(textOf).join('\n'),
    next: 'give two namespaces that nobody else uses',
  })
}

/** Deletes all of a run but its claims, then those; so nobody takes the namespaces while something of it is left. */
async function deleteRun(
  kube: Kube,
  names: readonly string[],
  runId: string,
  onSeen?: (seen: string) => void,
): Promise<void> {
  const selector = `${runLabel}=${runId}`
  const isClaim = ({ kind, name }: Found): boolean => kind === 'configmaps' && name === claimName
  const gone = async (which: (each: Found) => boolean): Promise<void> => {
    await awaitUntil(
      async () => {
        const found = (await find(kube, names, selector)).filter((each) => isOurs(each) && which(each))
        await Promise.all(found.map((each) => remove(kube, each)))
        const seen = found.map(textOf).join(', ')
        return found.length === 0 ? { done: true, value: undefined } : { done: false, seen }
      },
      {
        what: `the objects of run ${runId} to be gone`,
        budget: budgets.givenDeleteMs,
        next: names.map((each) => `kubectl -n ${each} delete ${kinds.join(',')} -l ${selector}`).join(' && '),
        everyMs: 500,
        ...(onSeen === undefined ? {} : { onSeen }),
      },
    )
  }
  await gone((each) => !isClaim(each))
  await gone(isClaim)
}

/**
 * Deletes what expired runs have left in these namespaces.
 *
 * @throws {BudgetExceeded} for what stays
 */
export async function sweepBorrowed(kube: Kube, names: readonly string[]): Promise<Swept> {
  const found = (await find(kube, names, runLabel)).filter(isOurs)
  const byRun = Map.groupBy(found, ({ metadata }) => metadata.labels?.[runLabel] ?? '')
  const now = new Date()
  const swept: Swept = { removed: [], kept: [] }
  for (const [run, objects] of byRun) {
    const claims = objects.filter(({ kind, name }) => kind === 'configmaps' && name === claimName)
    const times = (claims.length > 0 ? claims : objects).map(({ metadata }) => expiryOf(metadata.annotations))
    const last = times.includes(undefined) ? undefined : new Date(Math.max(...times.map(Number)))
    if (last !== undefined && last < now) {
      await deleteRun(kube, names, run)
      swept.removed.push(...new Set(objects.map(({ namespace }) => `${namespace} (run ${run})`)))
    } else {
      for (const name of new Set(objects.map(({ namespace }) => namespace)))
        swept.kept.push({ name, run, expires: last })
    }
  }
  return swept
}
