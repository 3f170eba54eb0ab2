import { agentPorts, hostPorts, mappedPorts, toolsPorts, type WireProbe } from '../agent/protocol.ts'
import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { PathProbe } from '../check-probes.ts'
import { planOverMtu, planPathMtu, planPing } from './path-tools.ts'
import { addressIn, datagrams, nonce, podEnd, type Ids, type PlannedProbe } from './planned.ts'
import { silent, timeLimitOf } from './time-limits.ts'
import type { Party, World, WorldPod } from '../world.ts'

/** Long enough that a sender fills the windows of TCP several times, with packets as long as the path takes them. */
const bulkBytes = 1024 * 1024

/** Plans a probe from one pod to another, at that pod or at its node, or to the other container of its own pod. */
export function planPath(
  check: Check,
  probe: PathProbe,
  from: Party,
  to: WorldPod,
  world: World,
  ids: Ids,
): PlannedProbe {
  if (probe.via === 'loopback') {
    const kind = probe.protocol === 'udp' ? 'tools-udp' : 'tools-http'
    const port = kind === 'tools-udp' ? toolsPorts.udp : toolsPorts.http
    const wire: WireProbe = {
      id: ids.next++,
      kind,
      host: '127.0.0.1',
      port,
      nonce: nonce(),
      timeoutMs: budgets.probeMs.ms,
    }
    const end = { ...podEnd(to, port), address: `127.0.0.1:${port}` }
    return {
      check,
      probe,
      from,
      to: end,
      rests: [from],
      mayAnswer: [to],
      questions: [{ agent: from.name, wire }],
    }
  }
  const { protocol, connections, size } = probe
  const host = hostOf(probe, to, world)
  if (host === undefined) return nobodyAt(check, probe, from, to)
  if (protocol === 'icmp') return planPing(check, probe, from, to, host, ids)
  const port = portsOf(probe, to)[protocol === 'datagram' ? 'udp' : protocol === 'bulk' ? 'tcp' : protocol]
  if (size === 'path-mtu') return planPathMtu(check, probe, from, to, { host, port }, ids)
  if (size === 'over-mtu') return planOverMtu(check, probe, from, to, { host, port }, ids)
  const timeoutMs = timeLimitOf(probe)
  const ask = (): WireProbe => {
    const peer = { id: ids.next++, host, port, timeoutMs }
    if (protocol === 'bulk') return { ...peer, kind: 'bulk', nonce: nonce(), bytes: bulkBytes }
    const fill = size === 'small' ? {} : { fill: size }
    // A port of a node is translated to that of a pod, as a Service is.
    const translated = probe.via === 'host-port' ? { toService: true as const } : {}
    const kind = { kind: protocol, nonce: nonce(protocol === 'datagram' ? 'oneway-' : '') }
    return { ...peer, ...fill, ...silent(probe), ...translated, ...kind }
  }
  const wires = Array.from({ length: protocol === 'datagram' ? datagrams : connections }, ask)
  const planned: PlannedProbe = {
    check,
    probe,
    from,
    to: podEnd(to, port, host),
    rests: [from, to],
    mayAnswer: [to],
    questions: wires.map((wire) => ({ agent: from.name, wire })),
  }
  if (protocol === 'datagram') {
    const nonces = wires.flatMap((wire) => ('nonce' in wire ? [wire.nonce] : []))
    planned.receipt = { agent: to.name, wire: { id: ids.next++, kind: 'receipts', nonces, timeoutMs } }
  }
  return planned
}

/** The ports at which a pod is asked. */
function portsOf({ via }: PathProbe, { namespace }: WorldPod): Record<'http' | 'tcp' | 'udp', number> {
  if (via === 'host-port') return mappedPorts
  return namespace === 'host' && via === 'node-ip' ? hostPorts : agentPorts
}

/** The address at which a pod is asked; undefined where it has none of that family. */
function hostOf({ via, family }: PathProbe, to: WorldPod, { nodes }: World): string | undefined {
  if (via === 'host-port') return nodes.find(({ name }) => name === to.pinnedTo)?.address
  return family === undefined ? to.ip : addressIn(family, to.ips)
}

/** A pod without an address of the family that its cluster declares. */
const nobodyAt = (check: Check, probe: PathProbe, from: Party, to: WorldPod): PlannedProbe => ({
  check,
  probe,
  from,
  to: podEnd(to, undefined),
  rests: [],
  mayAnswer: [to],
  questions: [],
  nobody: `${to.fullName} has no ${probe.family} address, only ${to.ips.join(', ')}`,
})
