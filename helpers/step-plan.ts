import type { V1NetworkPolicy } from '@kubernetes/client-node'
import { agentPorts } from './agent/protocol.ts'
import { newcomerRole, type Flow, type Step } from './check-steps.ts'
import type { Check, End } from './check.ts'
import { podLabel, servicePorts } from './fixtures.ts'
import { bindPods, nonce, podEnd, type PlannedProbe } from './plan.ts'
import { decide, isolates } from './policy-engine.ts'
import { namespaceLabels, policyObjects, policyPod } from './policy-objects.ts'
import type { World, WorldPod } from './world.ts'

/** Checks with steps and the world in, what each step asks and what must come of it out. Pure but for the nonces. */

/** A check with steps, its roles and policies bound to the pods of this world. */
export interface BoundCheck {
  check: Check
  steps: readonly Step[]
  pods: ReadonlyMap<string, WorldPod>
  policies: ReadonlyMap<string, V1NetworkPolicy>
}

/** One packet question of a step, with what the policies in force say to it. */
export interface Cell {
  check: Check
  from: WorldPod
  to: WorldPod
  via: Flow['via']
  protocol: Flow['protocols'][number]
  allowed: boolean
  /** Which policy says so. */
  because: string
}

/** How a round asks its cells. */
export interface Asking {
  /** Wire probes per cell. */
  tries: number
  /** Milliseconds for a cell that must be answered, and for one that must not. */
  allowedMs: number
  deniedMs: number
}

/** Binds a check with steps. */
export function bindSteps(check: Check, world: World): BoundCheck {
  const pods: Map<string, WorldPod> = bindPods(check, world)
  const like = check.steps?.find(({ newcomer }) => newcomer !== undefined)?.newcomer?.like
  const template = like === undefined ? undefined : pods.get(like)
  if (template !== undefined) pods.set(newcomerRole, newcomerLike(template, world))
  return { check, steps: check.steps ?? [], pods, policies: policyObjects(check, pods, world) }
}

/** A pod that does not exist yet; it has no address, so nobody can ask it. */
function newcomerLike(template: WorldPod, world: World): WorldPod {
  const { serviceIp: _service, ...rest } = template
  return {
    ...rest,
    name: newcomerRole,
    fullName: `${world.namespaces[template.namespace]}/${newcomerRole}`,
    uid: '',
    ip: '',
    ready: false,
    labels: { 'app.kubernetes.io/managed-by': 'cni-conformance', [podLabel]: newcomerRole },
  }
}

/** What a newcomer asks its peers, as the policies in force have it. */
export function firstCells(
  bound: BoundCheck,
  step: Step,
  inForce: readonly V1NetworkPolicy[],
  world: World,
): Cell[] {
  const { newcomer } = step
  if (newcomer === undefined) return []
  const flow = { from: [newcomerRole], to: newcomer.to, via: 'pod-ip' as const, protocols: ['tcp' as const] }
  return cellsOf(bound, { ...step, flows: [flow] }, inForce, world, true)
}

/**
 * The cells of a step while these policies of its check are in force.
 *
 * @param enforced false where the cluster declares no policies and none may have an effect
 */
export function cellsOf(
  bound: BoundCheck,
  step: Step,
  inForce: readonly V1NetworkPolicy[],
  world: World,
  enforced: boolean,
): Cell[] {
  const policies = { policies: enforced ? inForce : [], namespaces: namespaceLabels(world) }
  const pod = (role: string): WorldPod => {
    const found = bound.pods.get(role)
    if (found === undefined) throw new Error(`${bound.check.id} declares no pod "${role}"`)
    return found
  }
  return step.flows.flatMap(({ from, to, via, protocols }) =>
    from.flatMap((client) =>
      to.flatMap((server) =>
        protocols.map((protocol) => {
          const ends = { from: pod(client), to: pod(server) }
          const { allowed, because } = decide(policies, {
            from: policyPod(ends.from, world),
            to: policyPod(ends.to, world),
            // A Service is translated before policies look: what counts is the port of the pod.
            port: agentPorts[protocol],
            protocol: protocol === 'udp' ? 'UDP' : 'TCP',
          })
          return { check: bound.check, ...ends, via, protocol, allowed, because }
        }),
      ),
    ),
  )
}

/** The probes of a round, one per cell in their order. */
export function planCells(cells: readonly Cell[], asking: Asking): PlannedProbe[] {
  const ids = { next: 0 }
  return cells.map((cell) => planCell(cell, asking, ids))
}

function planCell(cell: Cell, asking: Asking, ids: { next: number }): PlannedProbe {
  const { check, from, to, via, protocol, allowed } = cell
  const { host, port, end } = target(cell)
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
    rests: [from, to],
    mayAnswer: [to],
    questions: Array.from({ length: asking.tries }, () => ({
      agent: from.name,
      wire: { id: ids.next++, kind: protocol, host, port, nonce: nonce(), timeoutMs },
    })),
  }
}

function target({ to, via, protocol }: Cell): { host: string; port: number; end: End } {
  if (via === 'pod-ip') {
    const port = agentPorts[protocol]
    return { host: to.ip, port, end: podEnd(to, port) }
  }
  if (to.serviceIp === undefined) throw new Error(`${to.fullName} has no Service of its own`)
  const port = servicePorts[protocol]
  return {
    host: to.serviceIp,
    port,
    end: { name: `${to.fullName} (Service)`, node: to.pinnedTo, address: `${to.serviceIp}:${port}` },
  }
}

/**
 * Checks that can run at the same time: nobody's policies isolate a pod that another one uses. Each goes into the first
 * phase that has room for it.
 */
export function phasesOf(checks: readonly BoundCheck[], world: World): BoundCheck[][] {
  const phases: { checks: BoundCheck[]; reach: Reach[] }[] = []
  for (const check of checks) {
    const reach = reachOf(check, world)
    const phase = phases.find((each) => each.reach.every((other) => independent(reach, other)))
    if (phase === undefined) phases.push({ checks: [check], reach: [reach] })
    else {
      phase.checks.push(check)
      phase.reach.push(reach)
    }
  }
  return phases.map((phase) => phase.checks)
}

/** Pods that a check isolates, and all that it rests on. */
interface Reach {
  isolated: ReadonlySet<WorldPod>
  used: ReadonlySet<WorldPod>
}

const independent = (a: Reach, b: Reach): boolean =>
  ![...a.isolated].some((pod) => b.used.has(pod)) && ![...b.isolated].some((pod) => a.used.has(pod))

function reachOf({ pods, policies }: BoundCheck, world: World): Reach {
  const isolated = world.pods.filter((pod) =>
    [...policies.values()].some((policy) =>
      (['Ingress', 'Egress'] as const).some((direction) =>
        isolates(policy, policyPod(pod, world), direction),
      ),
    ),
  )
  return { isolated: new Set(isolated), used: new Set([...pods.values(), ...isolated]) }
}
