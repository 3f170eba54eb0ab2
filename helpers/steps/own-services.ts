import { PatchStrategy, setHeaderOptions, type V1Service } from '@kubernetes/client-node'
import type { ServiceType } from '../check-steps.ts'
import { apiMessage, type Kube } from '../kube.ts'
import { nodePortsOf } from '../world-services.ts'

/** Services that a check creates itself. */

/** What the API server gave a Service. */
export interface CreatedService {
  /** Its ClusterIP. */
  ip: string
  /** By the name of its port; none unless its type has them. */
  nodePorts: Readonly<Record<string, number>>
}

/** Creates a Service; returns what it got, or what the API server said against it. */
export const createService = (
  kube: Kube,
  service: V1Service,
): Promise<CreatedService | { refusal: string }> =>
  accepted(() =>
    kube.core.createNamespacedService({
      namespace: service.metadata?.namespace ?? '',
      body: kube.marked(service),
    }),
  )

/** Gives a Service another type; returns what it has then, or what the API server said against it. */
export const changeService = (
  kube: Kube,
  { metadata }: V1Service,
  type: ServiceType,
): Promise<CreatedService | { refusal: string }> =>
  accepted(() =>
    kube.core.patchNamespacedService(
      {
        name: metadata?.name ?? '',
        namespace: metadata?.namespace ?? '',
        body: { spec: { type } },
      },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    ),
  )

async function accepted(ask: () => Promise<V1Service>): Promise<CreatedService | { refusal: string }> {
  try {
    const { spec } = await ask()
    const ip = spec?.clusterIP ?? ''
    return ip === '' ? { refusal: 'it has no ClusterIP' } : { ip, nodePorts: nodePortsOf(spec) }
  } catch (error) {
    return { refusal: apiMessage(error) }
  }
}
