import type { V1ObjectMeta } from '@kubernetes/client-node'
import { managedLabel } from '../helpers/fixture-pods.ts'
import { isNotFound, type Kube } from '../helpers/kube.ts'

/** What runs make in the namespaces of their fixtures, and what others have there. */

/** Kinds of all that a run makes in its namespaces, as kubectl names them. */
export const kinds = ['networkpolicies', 'pods', 'services', 'endpointslices', 'configmaps'] as const
type Kind = (typeof kinds)[number]

/** One of them. */
export interface Found {
  kind: Kind
  namespace: string
  name: string
  metadata: V1ObjectMeta
}

type Lister = (target: {
  namespace: string
  labelSelector?: string
}) => Promise<{ items: { metadata?: V1ObjectMeta }[] }>

function clientOf(
  kube: Kube,
  kind: Kind,
): { list: Lister; remove: (target: { name: string; namespace: string }) => Promise<unknown> } {
  const { core, discovery, networking } = kube
  switch (kind) {
    case 'networkpolicies':
      return {
        list: (target) => networking.listNamespacedNetworkPolicy(target),
        remove: (target) => networking.deleteNamespacedNetworkPolicy(target),
      }
    case 'pods':
      return {
        list: (target) => core.listNamespacedPod(target),
        remove: (target) => core.deleteNamespacedPod(target),
      }
    case 'services':
      return {
        list: (target) => core.listNamespacedService(target),
        remove: (target) => core.deleteNamespacedService(target),
      }
    case 'endpointslices':
      return {
        list: (target) => discovery.listNamespacedEndpointSlice(target),
        remove: (target) => discovery.deleteNamespacedEndpointSlice(target),
      }
    case 'configmaps':
      return {
        list: (target) => core.listNamespacedConfigMap(target),
        remove: (target) => core.deleteNamespacedConfigMap(target),
      }
  }
}

/** All of them in these namespaces. */
export async function find(kube: Kube, names: readonly string[], labelSelector?: string): Promise<Found[]> {
  const found = names.flatMap((namespace) =>
    kinds.map(async (kind) => {
      const target = { namespace, ...(labelSelector === undefined ? {} : { labelSelector }) }
      const { items } = await clientOf(kube, kind).list(target)
      return items.map(({ metadata = {} }): Found => ({
        kind,
        namespace,
        name: metadata.name ?? '',
        metadata,
      }))
    }),
  )
  return (await Promise.all(found)).flat()
}

/** Does it have our label? */
export const isOurs = ({ metadata }: Found): boolean =>
  Object.entries(managedLabel).every(([key, value]) => metadata.labels?.[key] === value)

/** Deletes it; one that is gone or going already is left alone. */
export async function remove(kube: Kube, { kind, namespace, name, metadata }: Found): Promise<void> {
  if (metadata.deletionTimestamp !== undefined) return
  try {
    await clientOf(kube, kind).remove({ name, namespace })
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

/**
 * Is it somebody else's, and would it touch what is checked? ConfigMaps are in every namespace, EndpointSlices come with
 * Services.
 *
 * @param own names that must be ours, also those of ConfigMaps
 */
export const isForeign = (each: Found, own: readonly string[]): boolean =>
  !isOurs(each) && (!['configmaps', 'endpointslices'].includes(each.kind) || own.includes(each.name))

/** `pods namespace/name`. */
export const textOf = ({ kind, namespace, name }: Found): string => `${kind} ${namespace}/${name}`
