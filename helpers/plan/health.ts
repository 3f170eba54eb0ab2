import { budgets } from '../budgets.ts'
import type { HealthProbe } from '../check-health-probes.ts'
import type { Check } from '../check.ts'
import type { Party, World } from '../world.ts'
import { endpointsOf, hostPort, type Ids, type PlannedProbe } from './planned.ts'

/**
 * Plans the questions of a load balancer: one planned probe for each node
 * (https://kubernetes.io/docs/tasks/access-application-cluster/create-external-load-balancer/#preserving-the-client-source-ip).
 */
export function planHealth(
  check: Check,
  probe: HealthProbe,
  from: Party,
  world: World,
  ids: Ids,
): PlannedProbe[] {
  const name = `${world.namespaces.main}/${probe.healthOf}`
  const port = world.services.get(probe.healthOf)?.healthPort
  const planned = { check, probe, from, rests: [from], mayAnswer: [] }
  if (port === undefined)
    return [{ ...planned, to: { name }, questions: [], nobody: `${name} has no healthCheckNodePort` }]
  return world.nodes.map(({ name: node, address }) => {
    const local = endpointsOf(world).filter(({ pinnedTo }) => pinnedTo === node)
    return {
      ...planned,
      to: { name, node, address: hostPort(address, port) },
      health: { status: local.length > 0 ? 200 : 503, endpoints: local.map(({ fullName }) => fullName) },
      questions: [
        {
          agent: from.name,
          wire: {
            id: ids.next++,
            kind: 'connect',
            protocol: 'http',
            host: address,
            port,
            timeoutMs: budgets.probeMs.ms,
          },
        },
      ],
    }
  })
}
