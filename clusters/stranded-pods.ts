import type { V1Pod } from '@kubernetes/client-node'
import type { Kube } from '../helpers/kube.ts'

/**
 * Has the pods made anew that were scheduled before their node had a network: CoreDNS comes as soon as its node is
 * called Ready, which is seconds before a CNI has written what its plugin must know, and its kubelet then waits 10-15 s
 * before it tries again. Pods without an owner would not come back and are left alone.
 */
export async function renewStrandedPods(kube: Kube): Promise<void> {
  const { items } = await kube.core.listPodForAllNamespaces({ fieldSelector: 'status.phase=Pending' })
  await Promise.all(
    items.filter(isStranded).map(({ metadata }) =>
      kube.core
        .deleteNamespacedPod({ name: metadata?.name ?? '', namespace: metadata?.namespace ?? '' })
        // Already gone, or come up meanwhile: only a head start, the traffic says whether DNS works.
        .catch(() => undefined),
    ),
  )
}

/** It is on a node, and has no sandbox yet. */
function isStranded({ metadata, spec, status }: V1Pod): boolean {
  const sandbox = status?.conditions?.find(({ type }) => type === 'PodReadyToStartContainers')
  return (
    spec?.nodeName !== undefined &&
    spec.hostNetwork !== true &&
    metadata?.ownerReferences !== undefined &&
    metadata.deletionTimestamp === undefined &&
    sandbox?.status === 'False'
  )
}
