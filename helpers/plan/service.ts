import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { ServiceProbe } from '../check-probes.ts'
import { servicePorts, services } from '../fixture-objects.ts'
import { endpointsOf, nonce, questionsPerName, type Ids, type PlannedProbe } from './planned.ts'
import type { World, WorldPod } from '../world.ts'

/**
 * Connections per Service probe that must see every endpoint. With n endpoints chosen at random, one is missed
 * with probability at most n * (1 - 1/n)^64: 4e-8 for the four fixture endpoints.
 */
export const connectionsPerService = 64

export function planService(
  check: Check,
  probe: ServiceProbe,
  from: WorldPod,
  world: World,
  ids: Ids,
): PlannedProbe {
  const endpoints = endpointsOf(world)
  const namespace = world.namespaces.main
  const host = {
    'cluster-ip': world.clusterIps.echo,
    'short-name': services.echo,
    'namespaced-name': `${services.echo}.${namespace}`,
    fqdn: `${services.echo}.${namespace}.svc.${world.clusterDomain}`,
  }[probe.via]
  const port = servicePorts[probe.protocol]
  const count = probe.answeredBy === 'every-endpoint' ? connectionsPerService : questionsPerName
  return {
    check,
    probe,
    from,
    to: { name: `${namespace}/${services.echo}`, address: `${host}:${port}` },
    rests: [from, ...endpoints],
    mayAnswer: endpoints,
    questions: Array.from({ length: count }, () => ({
      agent: from.name,
      wire: {
        id: ids.next++,
        kind: probe.protocol,
        host,
        port,
        nonce: nonce(),
        timeoutMs: budgets.probeMs.ms,
        toService: true,
      },
    })),
  }
}
