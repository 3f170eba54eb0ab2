import type { WireProbe } from '../agent/protocol.ts'
import { limits } from '../budgets.ts'
import type { Check } from '../check.ts'
import { isFromOutside } from '../check-probes.ts'
import { linkControls } from './controls.ts'
import { planTarget } from './target.ts'
import { bindingsOf, isOnEveryNode, type Bound } from '../coverage/every-node.ts'
import type { Party, World, WorldPod } from '../world.ts'
import { planDns, planLookup } from './dns.ts'
import { planApiServer, planOutside } from './egress.ts'
import { planInspect } from './inspect.ts'
import { planHealth } from './health.ts'
import { planPath } from './path.ts'
import type { AgentProbe, Ids, Planned, PlannedProbe } from './planned.ts'
import { planService } from './service.ts'

/**
 * Checks and the world in, packet questions out. Pure but for the nonces: the same checks and the same world
 * give the same plan.
 */

/** Everything that one run asks. */
export interface Plan {
  probes: PlannedProbe[]
  /** Wire probes by agent, to be sent in one frame each. */
  questions: Map<string, WireProbe[]>
  /** Sent when all questions are settled. */
  receipts: Map<string, WireProbe[]>
}

/** How large plans are. */
export interface PlanLimits {
  /** Most pairs of two nodes that a check is asked for. */
  pairs?: number
  /** Most nodes and pairs in one plan. */
  atOnce?: number
}

/** Makes the plan of a run. Every check is bound to fixture pods of the declared node and namespace. */
export function makePlan(checks: readonly Check[], world: World): Plan {
  const [plan = planOf([])] = plansOf(checks, world, { atOnce: Infinity })
  return plan
}

/**
 * The same in as many plans as memory has room for: the first has every check, the others what is left of those that
 * are asked on every node.
 */
export function* plansOf(
  checks: readonly Check[],
  world: World,
  { pairs = limits.nodePairs, atOnce = limits.pairsAtOnce }: PlanLimits = {},
): Generator<Plan, undefined> {
  const once = checks.filter((check) => !isOnEveryNode(check))
  const left = checks
    .filter(isOnEveryNode)
    .map((check) => ({ check, bindings: bindingsOf(check, world, pairs) }))
  let probes: PlannedProbe[] = []
  const ids = { next: 0 }
  const add = (check: Check, bound: Bound): void => {
    for (const planned of planCheck(check, bound, world, ids)) probes.push(planned)
  }
  for (const check of once) for (const bound of bindingsOf(check, world, pairs)) add(check, bound)
  let room = atOnce
  for (const { check, bindings } of left) {
    for (const bound of bindings) {
      if (room-- <= 0) {
        yield planOf(probes)
        probes = []
        ids.next = 0
        room = atOnce - 1
      }
      add(check, bound)
    }
  }
  yield planOf(probes)
}

const planCheck = (check: Check, bound: Bound, world: World, ids: Ids): PlannedProbe[] =>
  linkControls(
    check.probes.flatMap((probe) =>
      'look' in probe || 'endpointsOf' in probe ? [] : planProbe(check, probe, bound, world, ids),
    ),
  )

/** The plan that asks these probes all at once. */
export function planOf(probes: PlannedProbe[]): Plan {
  return {
    probes,
    questions: byAgent(probes.flatMap((probe) => probe.questions)),
    receipts: byAgent(probes.flatMap((probe) => (probe.receipt === undefined ? [] : [probe.receipt]))),
  }
}

function pod(bound: Bound, role: string): WorldPod {
  const found = bound.get(role)
  if (found === undefined) throw new Error(`the check declares no pod "${role}"`)
  return found
}

function outsideOf(check: Check, { outside }: World): Party {
  if (outside === undefined) throw new Error(`${check.id}: there is no server outside the cluster`)
  return outside
}

function planProbe(check: Check, probe: AgentProbe, bound: Bound, world: World, ids: Ids): PlannedProbe[] {
  if ('inspect' in probe) return [planInspect(check, probe, pod(bound, probe.in), ids)]
  if ('service' in probe || 'to' in probe || 'healthOf' in probe) {
    const asker = isFromOutside(probe) ? outsideOf(check, world) : pod(bound, probe.from)
    if ('healthOf' in probe) return planHealth(check, probe, asker, world, ids)
    if ('service' in probe) return planService(check, probe, asker, world, ids)
    return [planPath(check, probe, asker, pod(bound, probe.to), world, ids)]
  }
  const from = pod(bound, probe.from)
  if ('apiServer' in probe) return [planApiServer(check, probe, from, world, ids)]
  if ('outside' in probe) return [planOutside(check, probe, from, outsideOf(check, world), ids)]
  if ('lookup' in probe) return [planLookup(check, probe, from, world, ids)]
  if ('resolve' in probe) {
    return planDns(check, probe, from, probe.of === undefined ? undefined : pod(bound, probe.of), world, ids)
  }
  return [planTarget(check, probe, from, world, ids)]
}

function byAgent(planned: readonly Planned[]): Map<string, WireProbe[]> {
  const byName = new Map<string, WireProbe[]>()
  for (const { agent, wire } of planned) {
    const list = byName.get(agent)
    if (list === undefined) byName.set(agent, [wire])
    else list.push(wire)
  }
  return byName
}
