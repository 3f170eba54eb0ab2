import { randomFillSync } from 'node:crypto'
import type { Of, RecordType, WireProbe } from '../agent/protocol.ts'
import type { Flow } from '../check-steps.ts'
import type { Check } from '../check.ts'
import type { ApiProbe, LookProbe, Probe, ServiceProbe, Verdict } from '../check-probes.ts'
import type { Target } from '../check-targets.ts'
import type { End } from '../observation.ts'
import type { Party, World, WorldPod } from '../world.ts'

/** What a declared probe becomes, and what every kind of probe is planned with. */

/** A wire probe, the agent that runs it, and what it was asked for. */
export interface Planned {
  /** Fixture name of the pod whose agent runs it. */
  agent: string
  wire: WireProbe
}

/** A probe that an agent answers; the others are looks at nodes and at the API. */
export type AgentProbe = Exclude<Probe, LookProbe | ApiProbe>

/** One cell of a step's flows. */
interface FlowProbe {
  from: string
  to: string
  via: Flow['via']
  protocol: Flow['protocols'][number]
  expect: Verdict
  /** any-endpoint unless said. */
  answeredBy?: ServiceProbe['answeredBy']
  /** What of the asker is the same in all questions of the check. */
  keeps?: Flow['keeps']
}

/** A record as the API objects want it. */
export interface DnsRecord {
  /** Fully qualified. */
  name: string
  type: RecordType
  /** As the agent gives them, sorted; empty where the name exists and has no record of that type. */
  answers: string[]
  /** More than UDP carries: over UDP the server must say that the answer is not whole. */
  large?: true
}

/** One declared probe, spread out over the pods and servers that it concerns, with what is expected of each. */
export interface PlannedProbe {
  check: Check
  probe: AgentProbe | FlowProbe
  from: Party
  /** The pod whose facts are read; only of those. */
  inside?: WorldPod
  to: End
  /** Address of the node that is asked for a port of its own; only where a Service is. */
  host?: string
  /** Who must be alive before silence counts as evidence. */
  rests: Party[]
  /** Who may answer. */
  mayAnswer: Party[]
  /** What a DNS server is asked for, and what it must say. */
  record?: DnsRecord
  /** The HTTP status that a node must give, for its ready endpoints of a Service. */
  health?: { status: number; endpoints: readonly string[] }
  /** The Service or host of the user's that is asked; it has no agent, so nobody can say who answered. */
  target?: Target
  /**
   * Questions beside which silence says something, if one of them is answered: of other pods to the same target, or of
   * the same asker to another port of the same node.
   */
  controls?: readonly Planned[]
  questions: Planned[]
  /** Why there are no questions, where there are none: a finding of its own. */
  nobody?: string
  /** Asked of the receiver when all questions are settled: did the datagrams arrive? */
  receipt?: Planned & { wire: Of<'receipts'> }
}

/** Numbers of the wire probes of one plan. */
export type Ids = { next: number }

/**
 * Connections by name and questions to the DNS Service. All must be answered rightly; a broken one of two backends
 * goes unseen with probability 2^-16.
 */
export const questionsPerName = 16

/** The pods behind the fixture Services. */
export const endpointsOf = (world: World): WorldPod[] =>
  world.pods.filter((each) => each.namespace === 'main' && each.ready)

/** One datagram may be lost without anyone at fault; three in a row on an idle wire may not. */
export const datagrams = 3

/** Proves which question an answer belongs to. */
export function nonce(prefix = ''): string {
  if (at >= pool.length) {
    randomFillSync(pool)
    at = 0
  }
  const from = at
  at += nonceBytes
  return `${prefix}${pool.toString('hex', from, at)}`
}

const nonceBytes = 12
/** Filled for many at once: one call each took a tenth of the time of a large plan. */
const pool = Buffer.alloc(nonceBytes * 1_024)
let at = pool.length

/** The address of one family; undefined where there is none. `ips` are those of a pod or a Service. */
export const addressIn = (family: 'ipv6' | undefined, ips: readonly string[]): string | undefined =>
  family === undefined ? ips[0] : ips.find((ip) => ip.includes(':'))

/** An address and a port as URLs have them. */
export const hostPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** A fixture pod as one end of a path. */
export function podEnd(of: WorldPod, port: number | undefined, ip = of.ip): End {
  return { name: of.fullName, node: of.pinnedTo, address: port === undefined ? ip : hostPort(ip, port) }
}
