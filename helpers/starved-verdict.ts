import type { WireProbe } from './agent/protocol.ts'
import { starved, type Judgement } from './inspect.ts'
import type { Observation } from './observation.ts'
import type { Planned, PlannedProbe } from './plan/planned.ts'
import type { Replies } from './verdict.ts'

/**
 * A server that gets no processor is silent, too, and says nothing of the network. The handshake of TCP is the kernel's:
 * who has none was not kept waiting by a server. Part of helpers/verdict.ts.
 */

/** As of the prober's own time: so much of a time limit must have been left to the server that did not answer. */
const runningShare = 0.5
/** Less than this is no starving, in milliseconds: quick looks allow 75 ms and decide nothing. */
const leastMs = 250

/** Questions to the server of an agent. */
const answeredByAgents: ReadonlySet<WireProbe['kind']> = new Set(['tcp', 'udp', 'http', 'bulk', 'receipts'])

/** The verdict, unless it is one on silence and a server that may be the silent one could not run. */
export function unlessStarved(
  { from, rests, mayAnswer }: PlannedProbe,
  { agent, wire }: Planned,
  judgement: Judgement,
  replies: Pick<Replies, 'result' | 'waitedMs'>,
): Judgement {
  if (judgement.verdict !== 'timed-out') return judgement
  if (!answeredByAgents.has(wire.kind)) return judgement
  if (wire.kind !== 'receipts' && replies.result(agent, wire.id)?.phase !== 'answer') return judgement
  // Of the asking pod its prober knows best.
  const servers = [...new Set([...rests.filter((pod) => pod !== from), ...mayAnswer])]
  const waits = servers.map((pod) => ({ pod, ms: replies.waitedMs?.(pod.name) ?? 0 }))
  const kept = waits.find(({ ms }) => ms >= Math.max(leastMs, wire.timeoutMs * runningShare))
  if (kept === undefined) return judgement
  return starved(judgement.detail ?? 'no answer', kept.pod.fullName, `${Math.round(kept.ms)} ms of it`)
}

/** Is all that is wrong with these that an agent could not run? Whoever asks again may learn more. */
export function isStarved(observations: readonly Observation[]): boolean {
  const off = observations.filter(({ verdict, expected }) => verdict !== expected)
  return off.length > 0 && off.every((each) => each.starved === true)
}
