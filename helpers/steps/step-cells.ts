import type { V1NetworkPolicy } from '@kubernetes/client-node'
import { agentPorts } from '../agent/protocol.ts'
import { newcomerRole, type Flow, type Step } from '../check-steps.ts'
import type { Check } from '../check.ts'
import type { Verdict } from '../check-probes.ts'
import type { End } from '../observation.ts'
import { servicePorts } from '../fixture-services.ts'
import { nonce, podEnd, type PlannedProbe } from '../plan/planned.ts'
import { recordName } from '../plan/dns.ts'
import { decide, type PolicyAnswer, type PolicyWorld } from './policy-engine.ts'
import { namespaceLabels, policyPod } from './policy-objects.ts'
import type { BoundCheck } from './step-plan.ts'
import type { World, WorldPod } from '../world.ts'

/** What each step asks and what must come of it, from what its check has made. Pure but for the nonces. */

/** What the steps of a check have made so far: what must come of its flows follows from it. */
export interface State {
  /** Its policies that are in force. */
  policies: readonly V1NetworkPolicy[]
  /** Its own pods that run, by role. */
  running: ReadonlyMap<string, WorldPod>
  /** Its own pods as they were before they were stopped last, by role. */
  former: ReadonlyMap<string, WorldPod>
  /** Its Services by name, those that were deleted too. */
  services: ReadonlyMap<string, ServiceState>
}

/** A Service of a check as the steps left it. */
export interface ServiceState {
  ip: string
  exists: boolean
}

/** Before the first step. */
export const nothingMade: State = {
  policies: [],
  running: new Map(),
  former: new Map(),
  services: new Map(),
}

/** One packet question of a step, with what the state says to it. */
export interface Cell {
  check: Check
  from: WorldPod
  /** The pod that is asked: as it was, where it is gone; the one behind it, where it is a Service. */
  to: WorldPod
  via: Flow['via']
  protocol: Flow['protocols'][number]
  host: string
  port: number
  end: End
  /** The address is that of a Service of the check. */
  toService?: true
  /** Pods that may answer: none where nobody may. */
  mayAnswer: readonly WorldPod[]
  /** Pods that must be seen alive at the same time before silence counts. */
  witnesses: readonly WorldPod[]
  allowed: boolean
  /** What says so: a policy, a pod that is gone, a Service that does not exist. */
  because: string
  /** How a connection may end that is not allowed; what the policies of the cluster do, unless said. */
  silentEnds?: readonly Verdict[]
}

/** How a round asks its cells. */
export interface Asking {
  /** Wire probes per cell. */
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
    flow.from.flatMap((client) =>
      flow.to.flatMap((asked) =>
        flow.protocols.map((protocol): Cell => {
          const from = podOf(bound, state, client)
          const { via } = flow
          const target = targetOf(bound, state, via, asked, protocol, world)
          const { gone: _gone, ...where } = target
          const base = { check: bound.check, from, via, protocol, ...where }
          if (target.gone !== undefined) return { ...base, ...silence(target, from) }
          const { allowed, because } =
            bound.check.policies === undefined
              ? { allowed: true, because: thereBecause(target) }
              : answerOf(policies, from, target.to, protocol, world)
          return {
            ...base,
            allowed,
            because,
            mayAnswer: [target.to],
            witnesses: [from, target.to],
          }
        }),
      ),
    ),
  )
}

const thereBecause = ({ end, to }: Target): string =>
  end.name === to.fullName
    ? `${to.fullName} runs there and is Ready`
    : `${end.name} exists and ${to.fullName} is Ready behind it`

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

function podOf({ check, pods }: BoundCheck, { running }: State, role: string): WorldPod {
  const found = running.get(role) ?? pods.get(role)
  if (found === undefined) throw new Error(`${check.id} declares no pod "${role}"`)
  return found
}

interface Target extends Pick<Cell, 'to' | 'host' | 'port' | 'end' | 'toService'> {
  /** Why nobody may answer there. */
  gone?: { because: string; silentEnds: readonly Verdict[]; witnesses: readonly WorldPod[] }
}

function silence({ gone }: Target, from: WorldPod) {
  if (gone === undefined) throw new Error('somebody may answer')
  const { because, silentEnds, witnesses } = gone
  return { allowed: false, because, silentEnds, mayAnswer: [], witnesses: [from, ...witnesses] }
}

function targetOf(
  bound: BoundCheck,
  state: State,
  via: Flow['via'],
  asked: string,
  protocol: Cell['protocol'],
  world: World,
): Target {
  if (via === 'former-ip' || via === 'former-record') {
    const pod = state.former.get(asked)
    if (pod === undefined) throw new Error(`${bound.check.id}: "${asked}" has no former address`)
    return formerTarget(pod, via, protocol, world)
  }
  const service = bound.services.get(asked)
  if (via === 'cluster-ip' && service !== undefined) {
    const to = podOf(bound, state, service.selects)
    return serviceTarget(service.object.metadata?.name ?? asked, to, state.services.get(asked), protocol)
  }
  const to = podOf(bound, state, asked)
  const port = agentPorts[protocol]
  if (via === 'pod-ip') return { to, host: to.ip, port, end: podEnd(to, port) }
  if (via === 'pod-record') {
    const host = recordName(to, world)
    return { to, host: `${host}.`, port, end: { ...podEnd(to, port), address: `${host}:${port}` } }
  }
  if (to.serviceIp === undefined) throw new Error(`${to.fullName} has no Service of its own`)
  const outside = servicePorts[protocol]
  const end = {
    name: `${to.fullName} (Service)`,
    node: to.pinnedTo,
    address: `${to.serviceIp}:${outside}`,
  }
  return { to, host: to.serviceIp, port: outside, end }
}

/** Somebody who refuses has the address, so nothing but silence and a router's word that there is no way will do. */
function formerTarget(pod: WorldPod, via: Flow['via'], protocol: Cell['protocol'], world: World): Target {
  const port = agentPorts[protocol]
  const byName = via === 'former-record'
  const host = byName ? recordName(pod, world) : pod.ip
  return {
    to: pod,
    host: byName ? `${host}.` : host,
    port,
    end: { name: `${pod.fullName} (deleted)`, node: pod.pinnedTo, address: `${host}:${port}` },
    gone: {
      because: `the pod that had ${pod.ip} is gone`,
      silentEnds: ['timed-out', 'unreachable', ...(byName ? (['no-such-name'] as const) : [])],
      witnesses: [],
    },
  }
}

/**
 * Once a Service is gone its address is nobody's, and packets to it may leave the cluster: what somebody out there says
 * is no word of the Service. It counts who answers, and no pod of ours may.
 */
function serviceTarget(
  name: string,
  to: WorldPod,
  service: ServiceState | undefined,
  protocol: Cell['protocol'],
): Target {
  const port = servicePorts[protocol]
  const { ip, exists } = service ?? { ip: '', exists: false }
  const end = { name: `Service ${name}`, address: `${ip}:${port}` }
  const target = { to, host: ip, port, end, toService: true } as const
  if (exists) return target
  return {
    ...target,
    gone: {
      because: `Service ${name} is deleted`,
      silentEnds: ['timed-out', 'unreachable', 'refused', 'wrong-answer'],
      witnesses: [to],
    },
  }
}

/** The probes of a round, one per cell in their order. */
export function planCells(cells: readonly Cell[], asking: Asking): PlannedProbe[] {
  const ids = { next: 0 }
  return cells.map((cell) => planCell(cell, asking, ids))
}

function planCell(cell: Cell, asking: Asking, ids: { next: number }): PlannedProbe {
  const { check, from, to, via, protocol, allowed, host, port, end, mayAnswer, witnesses } = cell
  const timeoutMs = allowed ? asking.allowedMs : asking.deniedMs
  return {
    check,
    probe: {
      from: from.name,
      to: to.name,
      via,
      protocol,
      expect: allowed ? 'reached' : 'timed-out',
    },
    from,
    to: end,
    rests: [...witnesses],
    mayAnswer: [...mayAnswer],
    questions: Array.from({ length: asking.tries }, () => ({
      agent: from.name,
      wire: {
        id: ids.next++,
        kind: protocol,
        host,
        port,
        nonce: nonce(),
        timeoutMs,
        ...(cell.toService === true ? { toService: true } : {}),
      },
    })),
  }
}
