import { SetupError } from '../../helpers/errors.ts'
import { managedLabel } from '../../helpers/fixture-pods.ts'
import type { Kube } from '../../helpers/kube.ts'

/**
 * Some clusters give every new namespace a NetworkPolicy. What it drops would be held against the network.
 *
 * @throws {SetupError} naming the policies in the fixture namespaces that are not ours
 */
export async function refuseForeignPolicies(kube: Kube, namespaces: readonly string[]): Promise<void> {
  const lists = await Promise.all(
    namespaces.map((namespace) => kube.networking.listNamespacedNetworkPolicy({ namespace })),
  )
  const [[key, value]] = Object.entries(managedLabel) as [[string, string]]
  const foreign = lists
    .flatMap(({ items }) => items)
    .filter(({ metadata }) => metadata?.labels?.[key] !== value)
    .map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`)
  if (foreign.length === 0) return
  throw new SetupError({
    what: 'NetworkPolicies that are not ours are about the fixture pods, so what they drop could not be told from what the network loses',
    seen: foreign.join(', '),
    next: 'have them left out of these namespaces, or give two that have none with --namespace',
  })
}
