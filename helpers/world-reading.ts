import type { V1Pod } from '@kubernetes/client-node'
import type { Kube } from './kube.ts'
import { readWorld, type World, type WorldOptions } from './world.ts'

/** What the API said, and of which pods. */
export interface Reading {
  world: World
  pods: string
}

/**
 * Reads the world. Answers depend on what goes and comes with pods, so where these are as they were before, so is the
 * world: that takes one request and not seven. A pod that has been made anew or has begun again makes it another one.
 *
 * @throws {SetupError} see {@link readWorld}
 */
export async function readOrKeep(kube: Kube, options: WorldOptions, before?: Reading): Promise<Reading> {
  const listing = kube.core.listPodForAllNamespaces()
  if (before !== undefined && stateOf((await listing).items) === before.pods) return before
  const [world, { items }] = await Promise.all([readWorld(kube, options, listing), listing])
  return { world, pods: stateOf(items) }
}

/** All of pods that an answer may depend on: which they are, where, whether they serve, and how often they began. Pure. */
export const stateOf = (pods: readonly V1Pod[]): string =>
  pods
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
