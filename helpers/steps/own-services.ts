import type { V1Service } from '@kubernetes/client-node'
import { apiMessage, type Kube } from '../kube.ts'

/** Services that a check creates itself. */

/** Creates a Service; returns its ClusterIP, or what the API server said against it. */
export async function createService(
  kube: Kube,
  service: V1Service,
): Promise<{ ip: string } | { refusal: string }> {
  try {
    const namespace = service.metadata?.namespace ?? ''
    const { spec } = await kube.core.createNamespacedService({ namespace, body: kube.marked(service) })
    const ip = spec?.clusterIP ?? ''
    return ip === '' ? { refusal: 'it has no ClusterIP' } : { ip }
  } catch (error) {
    return { refusal: apiMessage(error) }
  }
}
