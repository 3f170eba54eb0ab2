import type { WireProbe } from '../agent/protocol.ts'
import type { Check } from '../check.ts'
import { isFromOutside } from '../check-probes.ts'
import { linkControls } from './controls.ts'
import { planTarget } from './target.ts'
import { assignPods } from '../assign-pods.ts'
import type { Party, World, WorldPod } from '../world.ts'
import { planDns } from './dns.ts'
import { planApiServer, planOutside } from './egress.ts'
import { planInspect } from './inspect.ts'
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

/** Makes the plan of a run. Every check is bound to fixture pods of the declared node and namespace. */
export function makePlan(checks: readonly Check[], world: World): Plan {
  const ids = { next: 0 }
  const probes = checks.flatMap((check) => {
    const bound = bindPods(check, world)
    return linkControls(
      check.probes.flatMap((probe) =>
        'look' in probe || 'endpointsOf' in probe ? [] : planProbe(check, probe, bound, world, ids),
      ),
    )
  })
  return planOf(probes)
}

/** The plan that asks these probes all at once. */
export function planOf(probes: PlannedProbe[]): Plan {
  return {
    probes,
    questions: byAgent(probes.flatMap((probe) => probe.questions)),
    receipts: byAgent(probes.flatMap((probe) => (probe.receipt === undefined ? [] : [probe.receipt]))),
  }
}

const everyPod = ({ pods, hosts, portPods }: World): WorldPod[] => [...pods, ...hosts, ...portPods]

/** Which fixture pod stands for each pod of a check that is not its own. */
export function bindPods(check: Check, world: World): Map<string, WorldPod> {
  const bound = new Map<string, WorldPod>()
  for (const [role, pod] of assignPods(check.pods, everyPod(world))) {
    if (pod === undefined) throw new Error(`${check.id}: no fixture pod is left for "${role}"`)
    bound.set(role, pod)
  }
  return bound
}

type Bound = Map<string, WorldPod>

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
  if ('service' in probe || 'to' in probe) {
    const asker = isFromOutside(probe) ? outsideOf(check, world) : pod(bound, probe.from)
    if ('service' in probe) return planService(check, probe, asker, world, ids)
    return [planPath(check, probe, asker, pod(bound, probe.to), world, ids)]
  }
  const from = pod(bound, probe.from)
  if ('apiServer' in probe) return [planApiServer(check, probe, from, world, ids)]
  if ('outside' in probe) return [planOutside(check, probe, from, outsideOf(check, world), ids)]
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
