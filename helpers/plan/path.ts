import { agentPorts, hostPorts, toolsPorts, type WireProbe } from '../agent/protocol.ts'
import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import { isHeavyProbe, type PathProbe } from '../check-probes.ts'
import { addressIn, nonce, podEnd, type Ids, type PlannedProbe } from './planned.ts'
import type { WorldPod } from '../world.ts'

/** Long enough that a sender fills the windows of TCP several times, with packets as long as the path takes them. */
const bulkBytes = 1024 * 1024

/** Plans a probe from one pod to another, or to the other container of its own pod. */
export function planPath(
  check: Check,
  probe: PathProbe,
  from: WorldPod,
  to: WorldPod,
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
  const ports = to.namespace === 'host' ? hostPorts : agentPorts
  const port = ports[protocol === 'datagram' ? 'udp' : protocol === 'bulk' ? 'tcp' : protocol]
  const timeoutMs = (isHeavyProbe(probe) ? budgets.heavyProbeMs : budgets.probeMs).ms
  const host = probe.family === undefined ? to.ip : addressIn(probe.family, to.ips)
  if (host === undefined) return nobodyAt(check, probe, from, to)
  const ask = (): WireProbe => {
    const peer = { id: ids.next++, host, port, timeoutMs }
    if (protocol === 'bulk') return { ...peer, kind: 'bulk', nonce: nonce(), bytes: bulkBytes }
    const fill = size === 'mtu' ? { fill: size } : {}
    return { ...peer, ...fill, kind: protocol, nonce: nonce(protocol === 'datagram' ? 'oneway-' : '') }
  }
  // One datagram may be lost without anyone at fault; three in a row on an idle wire may not.
  const wires = Array.from({ length: protocol === 'datagram' ? 3 : connections }, ask)
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

/** A pod without an address of the family that its cluster declares. */
const nobodyAt = (check: Check, probe: PathProbe, from: WorldPod, to: WorldPod): PlannedProbe => ({
  check,
  probe,
  from,
  to: podEnd(to, undefined),
  rests: [],
  mayAnswer: [to],
  questions: [],
  nobody: `${to.fullName} has no ${probe.family} address, only ${to.ips.join(', ')}`,
})
