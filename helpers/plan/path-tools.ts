import type { WireProbe } from '../agent/protocol.ts'
import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { PathProbe } from '../check-probes.ts'
import type { Party, WorldPod } from '../world.ts'
import { datagrams, nonce, podEnd, type Ids, type PlannedProbe } from './planned.ts'

/** Questions that an agent cannot ask without the tools container of its pod. */

/** Plans echo requests. */
export function planPing(
  check: Check,
  probe: PathProbe,
  from: Party,
  to: WorldPod,
  host: string,
  ids: Ids,
): PlannedProbe {
  const wire: WireProbe = { id: ids.next++, kind: 'ping', host, timeoutMs: budgets.toolsProbeMs.ms }
  return {
    check,
    probe,
    from,
    to: podEnd(to, undefined, host),
    rests: [from, to],
    mayAnswer: [to],
    questions: [{ agent: from.name, wire }],
  }
}

/** One question sends all datagrams, and looks at the path when they are on their way; the receiver says what arrived. */
export function planPathMtu(
  check: Check,
  probe: PathProbe,
  from: Party,
  to: WorldPod,
  peer: { host: string; port: number },
  ids: Ids,
): PlannedProbe {
  const nonces = Array.from({ length: datagrams }, () => nonce('oneway-'))
  const timeoutMs = budgets.toolsProbeMs.ms
  const wire: WireProbe = { id: ids.next++, kind: 'path-mtu', ...peer, nonces, timeoutMs }
  return {
    check,
    probe,
    from,
    to: podEnd(to, peer.port, peer.host),
    rests: [from, to],
    mayAnswer: [to],
    questions: [{ agent: from.name, wire }],
    receipt: {
      agent: to.name,
      wire: { id: ids.next++, kind: 'receipts', nonces, timeoutMs: budgets.probeMs.ms },
    },
  }
}

/** One packet that is too long: its sender alone says what becomes of it. */
export function planOverMtu(
  check: Check,
  probe: PathProbe,
  from: Party,
  to: WorldPod,
  peer: { host: string; port: number },
  ids: Ids,
): PlannedProbe {
  const wire: WireProbe = { id: ids.next++, kind: 'over-mtu', ...peer, timeoutMs: budgets.toolsProbeMs.ms }
  return {
    check,
    probe,
    from,
    to: podEnd(to, peer.port, peer.host),
    rests: [from],
    mayAnswer: [to],
    questions: [{ agent: from.name, wire }],
  }
}
