import { randomBytes } from 'node:crypto'
import type { WireProbe } from '../agent/protocol.ts'
import type { Flow } from '../check-steps.ts'
import type { Check } from '../check.ts'
import type { LookProbe, Probe, Verdict } from '../check-probes.ts'
import type { End } from '../observation.ts'
import type { World, WorldPod } from '../world.ts'

/** What a declared probe becomes, and what every kind of probe is planned with. */

/** A wire probe, the agent that runs it, and what it was asked for. */
export interface Planned {
  /** Fixture name of the pod whose agent runs it. */
  agent: string
  wire: WireProbe
}

/** A probe that an agent answers; the others are looks at nodes. */
export type AgentProbe = Exclude<Probe, LookProbe>

/** One cell of a step's flows. */
interface FlowProbe {
  from: string
  to: string
  via: Flow['via']
  protocol: Flow['protocols'][number]
  expect: Verdict
}

/** One declared probe, spread out over the pods and servers that it concerns, with what is expected of each. */
export interface PlannedProbe {
  check: Check
  probe: AgentProbe | FlowProbe
  from: WorldPod
  to: End
  /** Fixture pods that must be alive before silence counts as evidence. */
  rests: WorldPod[]
  /** Fixture pods that may answer. */
  mayAnswer: WorldPod[]
  /** A records that a DNS answer must hold, sorted. */
  answers?: string[]
  /** Fully qualified name that is asked for. */
  name?: string
  questions: Planned[]
  /** Asked of the receiver when all questions are settled: did the datagrams arrive? */
  receipt?: Planned
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

/** Proves which question an answer belongs to. */
export const nonce = (prefix = ''): string => `${prefix}${randomBytes(12).toString('hex')}`

/** A fixture pod as one end of a path. */
export function podEnd(of: WorldPod, port: number | undefined): End {
  return { name: of.fullName, node: of.pinnedTo, address: port === undefined ? of.ip : `${of.ip}:${port}` }
}
