import type { WireProbe } from '../agent/protocol.ts'
import { agentPorts } from '../agent/protocol.ts'
import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { ApiServerProbe, OutsideProbe } from '../check-probes.ts'
import type { Party, World, WorldPod } from '../world.ts'
import { nonce, type Ids, type PlannedProbe } from './planned.ts'

/** The name of the API server that is short for every pod, and in its certificate. */
const apiServerName = 'kubernetes.default.svc'

/** Asked with TLS: who answers must be the API server, and its HTTP status is its own affair. */
export function planApiServer(
  check: Check,
  probe: ApiServerProbe,
  from: WorldPod,
  { apiServer }: World,
  ids: Ids,
): PlannedProbe {
  const { ip, port, ca } = apiServer
  const host = probe.apiServer === 'name' ? apiServerName : ip
  const wire: WireProbe = {
    id: ids.next++,
    kind: 'tls',
    host,
    port,
    ca,
    path: '/version',
    timeoutMs: budgets.probeMs.ms,
    toService: true,
  }
  return {
    check,
    probe,
    from,
    to: { name: 'default/kubernetes', address: `${host}:${port}` },
    rests: [from],
    mayAnswer: [],
    questions: [{ agent: from.name, wire }],
  }
}

/** A server outside answers as any other agent does. */
export function planOutside(
  check: Check,
  probe: OutsideProbe,
  from: WorldPod,
  outside: Party,
  ids: Ids,
): PlannedProbe {
  const port = agentPorts[probe.outside]
  const wire: WireProbe = {
    id: ids.next++,
    kind: probe.outside,
    host: outside.ip,
    port,
    nonce: nonce(),
    timeoutMs: budgets.probeMs.ms,
  }
  return {
    check,
    probe,
    from,
    to: { name: outside.fullName, address: `${outside.ip}:${port}` },
    rests: [from, outside],
    mayAnswer: [outside],
    questions: [{ agent: from.name, wire }],
  }
}
