import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node'
import { SetupError } from './errors.ts'
import { fixtureServiceNames } from './fixture-services.ts'
import type { Kube } from './kube.ts'

/** A Service of the fixtures as the API server reports it. */
export interface WorldService {
  /** Its ClusterIPs, the first family first; none of a headless Service or an alias. */
  ips: string[]
  /** By the name of its port; only where it has node ports. */
  nodePorts: Record<string, number>
  /** Where each node says whether it has an endpoint of it; only of a Service for a load balancer. */
  healthPort?: number
  /** Addresses that its EndpointSlices call ready, sorted. */
  ready: string[]
}

/**
 * Every Service of the fixture namespace, by name: two requests.
 *
 * @throws {SetupError} when one of the fixtures does not exist
 */
export async function readServices(kube: Kube, namespace: string): Promise<Map<string, WorldService>> {
  const [{ items }, slices] = await Promise.all([
    kube.core.listNamespacedService({ namespace }),
    kube.discovery.listNamespacedEndpointSlice({ namespace }),
  ])
  const read = new Map(
    items.map((service) => [service.metadata?.name ?? '', worldService(service, slices.items)]),
  )
  const missing = fixtureServiceNames.filter((name) => !read.has(name))
  if (missing.length > 0) {
    throw new SetupError({
      what: `the fixture Services ${missing.join(', ')} do not exist`,
      next: `look at the Services of namespace ${namespace}: did anything delete them?`,
    })
  }
  return read
}

/** Node ports by the name of their port. */
export const nodePortsOf = (spec: V1Service['spec']): Record<string, number> =>
  Object.fromEntries(
    (spec?.ports ?? []).flatMap(({ name, nodePort }) =>
      name === undefined || nodePort === undefined ? [] : [[name, nodePort]],
    ),
  )

function worldService({ metadata, spec }: V1Service, slices: readonly V1EndpointSlice[]): WorldService {
  return {
    ips: (spec?.clusterIPs ?? []).filter((ip) => ip !== '' && ip !== 'None'),
    nodePorts: nodePortsOf(spec),
    ...(spec?.healthCheckNodePort === undefined ? {} : { healthPort: spec.healthCheckNodePort }),
    ready: slices
      .filter((slice) => slice.metadata?.labels?.['kubernetes.io/service-name'] === metadata?.name)
      // The API writes null where a Service selects no pod, whatever the type says.
      .flatMap(({ endpoints }) => endpoints ?? [])
      // Absent means ready: an unknown state is to be taken as ready (EndpointConditions in the API reference).
      .filter(({ conditions }) => conditions?.ready !== false)
      .flatMap(({ addresses }) => addresses)
      .toSorted(),
  }
}
