import type { V1NetworkPolicy } from '@kubernetes/client-node'
import { agentPorts, type WireProbe } from '../agent/protocol.ts'
import { newcomerRole, type Flow, type Step } from '../check-steps.ts'
import type { Check } from '../check.ts'
import type { Verdict } from '../check-probes.ts'
import { nonce, type PlannedProbe } from '../plan/planned.ts'
import { decide, type PolicyAnswer, type PolicyWorld } from './policy-engine.ts'
import { namespaceLabels, policyPod } from './policy-objects.ts'
import type { BoundCheck } from './step-plan.ts'
import { podOf, targetsOf, type ServiceState, type Target } from './step-targets.ts'
import type { World, WorldPod } from '../world.ts'

/** What each step asks and what must come of it, from what its check has made. Pure but for the nonces. */

/** What the steps of a check have made so far: what must come of its flows follows from it. */
export interface State {
  /** Its policies that are in force. */
  policies: readonly V1NetworkPolicy[]
  /** Its own pods that run, by role. */
  running: ReadonlyMap<string, WorldPod>
  /** Those of them whose deletion was asked for, and that serve on. */
  terminating: ReadonlySet<string>
  /** Its own pods as they were before they were stopped last, by role. */
  former: ReadonlyMap<string, WorldPod>
  /** Its Services by name, those that were deleted too. */
  services: ReadonlyMap<string, ServiceState>
}

/** Before the first step. */
export const nothingMade: State = {
  policies: [],
  running: new Map(),
  terminating: new Set(),
  former: new Map(),
  services: new Map(),
}

/** One packet question of a step, with what the state says to it. */
export interface Cell extends Omit<Target, 'answers' | 'gone'> {
  check: Check
  from: WorldPod
  via: Flow['via']
  protocol: Flow['protocols'][number]
  /** Pods that may answer: none where nobody may. Of several, each must. */
  mayAnswer: readonly WorldPod[]
  /** Pods that must be seen alive at the same time before silence counts. */
  witnesses: readonly WorldPod[]
  allowed: boolean
  /** How a connection may end that is not allowed; what the policies of the cluster do, unless said. */
  silentEnds?: readonly Verdict[]
}

/** How a round asks its cells. */
export interface Asking {
  /** Wire probes per cell; of a Service of several pods {@link connectionsPerTry} as many. */
  tries: number
  /** Milliseconds for a cell that must be answered, and for one that must not. */
  allowedMs: number
  deniedMs: number
}

/** What a newcomer asks its peers, as the policies in force have it. */
export function firstCells(bound: BoundCheck, step: Step, state: State, world: World): Cell[] {
  const { newcomer } = step
  if (newcomer === undefined) return []
  const flow = { from: [newcomerRole], to: newcomer.to, via: 'pod-ip' as const, protocols: ['tcp' as const] }
  return cellsOf(bound, { ...step, flows: [flow] }, state, world, true)
}

/**
 * The cells of a step while this is the state of its check.
 *
 * @param enforced false where the cluster declares no policies and none may have an effect
 */
export function cellsOf(
  bound: BoundCheck,
  step: Step,
  state: State,
  world: World,
  enforced: boolean,
): Cell[] {
  const policies = { policies: enforced ? state.policies : [], namespaces: namespaceLabels(world) }
  return step.flows.flatMap((flow) =>
    flow.from.flatMap((client) => {
      const from = podOf(bound, state, client)
      return flow.to.flatMap((asked) =>
        flow.protocols.flatMap((protocol) =>
          targetsOf(bound, state, flow, asked, protocol, world).map(({ gone, answers, ...target }): Cell => {
            const { check } = bound
            const base = { check, from, via: flow.via, protocol, ...target, mayAnswer: answers }
            if (gone !== undefined) {
              const { silentEnds, witnesses } = gone
              return { ...base, allowed: false, silentEnds, witnesses: [from, ...witnesses] }
            }
            const witnesses = [from, ...answers]
            if (check.policies === undefined || target.record !== undefined)
              return { ...base, allowed: true, witnesses }
            return { ...base, ...answerOf(policies, from, target.to, protocol, world), witnesses }
          }),
        ),
      )
    }),
  )
}

/** A Service is translated before policies look: what counts is the port of the pod. */
const answerOf = (
  policies: PolicyWorld,
  from: WorldPod,
  to: WorldPod,
  protocol: Cell['protocol'],
  world: World,
): PolicyAnswer =>
  decide(policies, {
    from: policyPod(from, world),
    to: policyPod(to, world),
    port: agentPorts[protocol],
    protocol: protocol === 'udp' ? 'UDP' : 'TCP',
  })

/** The probes of a round, one per cell in their order. */
export function planCells(cells: readonly Cell[], asking: Asking): PlannedProbe[] {
  const ids = { next: 0 }
  return cells.map((cell) => planCell(cell, asking, ids))
}

/**
 * Connections per try to a Service that can lead to several pods. Of two, one is missed by a round of three tries with
 * probability 2 * 2^-48, of three with 1e-8.
 */
const connectionsPerTry = 16

function planCell(cell: Cell, asking: Asking, ids: { next: number }): PlannedProbe {
  const { check, from, to, via, protocol, allowed, end, mayAnswer, witnesses, record, keeps, nobody } = cell
  const answeredBy =
    cell.sticky === true
      ? 'one-endpoint'
      : mayAnswer.length > 1 && keeps === undefined
        ? 'every-endpoint'
        : 'any-endpoint'
  const perTry = cell.spread === true ? connectionsPerTry : 1
  // From one port nothing can be asked twice at the same time; a datagram that gets no answer is sent again by itself.
  const tries = keeps === undefined ? asking.tries * perTry : 1
  return {
    check,
    probe: {
      from: from.name,
      to: to.name,
      via,
      protocol,
      expect: expectationOf(cell),
      answeredBy,
      ...(keeps === undefined ? {} : { keeps: keeps.what }),
    },
    from,
    to: end,
    rests: [...witnesses],
    mayAnswer: [...mayAnswer],
    ...(record === undefined ? {} : { record }),
    ...(nobody === undefined ? {} : { nobody }),
    questions: Array.from({ length: nobody === undefined ? tries : 0 }, () => ({
      agent: from.name,
      wire: wireOf(cell, ids.next++, allowed ? asking.allowedMs : asking.deniedMs),
    })),
  }
}

const expectationOf = ({ record, allowed }: Cell): Verdict =>
  record === undefined
    ? allowed
      ? 'reached'
      : 'timed-out'
    : record.answers.length > 0
      ? 'reached'
      : 'no-such-name'

function wireOf(
  { host, port, protocol, toService, keeps, record }: Cell,
  id: number,
  timeoutMs: number,
): WireProbe {
  if (record !== undefined) {
    const { name, type } = record
    const transport = protocol === 'udp' ? 'udp' : 'tcp'
    return { id, kind: 'dns', server: host, transport, name, type, timeoutMs }
  }
  return {
    id,
    kind: protocol,
    host,
    port,
    nonce: nonce(),
    timeoutMs,
    ...(toService === undefined ? {} : { toService }),
    ...(keeps === undefined ? {} : { sourcePort: keeps.port }),
    ...(keeps?.what === 'socket' ? { held: true as const } : {}),
  }
}
