import type { V1Pod } from '@kubernetes/client-node'
import type { FixtureNamespaces } from './fixture-objects.ts'
import type { Kube } from './kube.ts'
import { isDnsPod, livingPods, readWorld, type World, type WorldOptions } from './world.ts'

/** What the API said, and in which state the pods were that somebody asks or answers in. */
export interface Reading {
  world: World
  pods: string
}

/**
 * Reads the world. Answers depend on what goes and comes with the pods of the fixture namespaces and with the cluster's DNS
 * servers, so where these are as they were before, so is the world, but for the addresses of all the others: that takes
 * one request and not seven. A pod that has been made anew or has begun again makes it another one.
 *
 * @throws {SetupError} see {@link readWorld}
 */
export async function readOrKeep(kube: Kube, options: WorldOptions, before?: Reading): Promise<Reading> {
  const { namespaces } = options
  const listing = kube.core.listPodForAllNamespaces()
  if (before !== undefined) {
    const { items } = await listing
    if (stateOf(items, namespaces) === before.pods)
      return { ...before, world: { ...before.world, allPods: livingPods(items) } }
  }
  const [world, { items }] = await Promise.all([readWorld(kube, options, listing), listing])
  return { world, pods: stateOf(items, namespaces) }
}

/** All of pods that an answer may depend on: which they are, where, whether they serve, and how often they began. Pure. */
export function stateOf(pods: readonly V1Pod[], namespaces: FixtureNamespaces): string {
  const ours: ReadonlySet<string | undefined> = new Set(Object.values(namespaces))
  return pods
    .filter((pod) => ours.has(pod.metadata?.namespace) || isDnsPod(pod))
    .map(({ metadata, spec, status }) =>
      JSON.stringify([
        metadata?.uid,
        metadata?.deletionTimestamp,
        metadata?.labels,
        spec?.nodeName,
        status?.phase,
        status?.podIPs,
        status?.conditions?.find(({ type }) => type === 'Ready')?.status,
        status?.containerStatuses?.map(({ name, restartCount }) => [name, restartCount]),
      ]),
    )
    .toSorted()
    .join('\n')
}
