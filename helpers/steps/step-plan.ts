import type { V1NetworkPolicy, V1Service } from '@kubernetes/client-node'
import { newcomerRole, type Step } from '../check-steps.ts'
import type { Check } from '../check.ts'
import { serviceObject } from '../fixture-objects.ts'
import { managedLabel, podLabel } from '../fixture-pods.ts'
import { bindPods } from '../coverage/every-node.ts'
import { isolates } from './policy-engine.ts'
import { objectName, policyObjects, policyPod } from './policy-objects.ts'
import type { World, WorldPod } from '../world.ts'

/** Checks with steps bound to the world, and which of them can run side by side. Pure. */

/** A check with steps, its roles, policies and Services bound to the pods of this world. */
export interface BoundCheck {
  check: Check
  steps: readonly Step[]
  /** Those of its own too: as they will be, without an address. */
  pods: ReadonlyMap<string, WorldPod>
  policies: ReadonlyMap<string, V1NetworkPolicy>
  services: ReadonlyMap<string, { object: V1Service; selects: string }>
}

/** Binds a check with steps. */
export function bindSteps(check: Check, world: World): BoundCheck {
  const pods: Map<string, WorldPod> = bindPods(check, world)
  for (const [role, { node, namespace, own }] of Object.entries(check.pods)) {
    if (own === true && node !== 'every')
      pods.set(role, unborn(objectName(check, role), node, namespace, world))
  }
  const like = check.steps?.find(({ newcomer }) => newcomer !== undefined)?.newcomer?.like
  const template = like === undefined ? undefined : pods.get(like)
  if (template !== undefined)
    pods.set(newcomerRole, unborn(newcomerRole, template.node, template.namespace, world))
  return {
    check,
    steps: check.steps ?? [],
    pods,
    policies: policyObjects(check, pods, world),
    services: new Map(
      Object.entries(check.services ?? {}).map(([name, { selects }]) => {
        const selector = { [podLabel]: pods.get(selects)?.name ?? '' }
        const object = serviceObject({
          name: objectName(check, name),
          namespace: world.namespaces.main,
          labels: managedLabel,
          selector,
        })
        return [name, { object, selects }]
      }),
    ),
  }
}

/** A pod that does not exist yet; it has no address, so nobody can ask it. */
function unborn(
  name: string,
  node: WorldPod['node'],
  namespace: WorldPod['namespace'],
  world: World,
): WorldPod {
  const neighbour = world.pods.find((each) => each.node === node)
  return {
    name,
    node,
    namespace,
    fullName: `${world.namespaces[namespace]}/${name}`,
    uid: '',
    ip: '',
    ips: [],
    pinnedTo: neighbour?.pinnedTo ?? '',
    runsOn: undefined,
    ready: false,
    labels: { ...managedLabel, [podLabel]: name },
  }
}

/**
 * Checks that can run at the same time: nobody's policies isolate a pod that another one uses, and nobody waits for
 * pods to start while another measures how soon its Service is there. Each goes into the first phase that has room.
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
  startsPods: boolean
}

const independent = (a: Reach, b: Reach): boolean =>
  a.startsPods === b.startsPods &&
  ![...a.isolated].some((pod) => b.used.has(pod)) &&
  ![...b.isolated].some((pod) => a.used.has(pod))

function reachOf({ pods, policies, steps }: BoundCheck, world: World): Reach {
  const isolated = world.pods.filter((pod) =>
    [...policies.values()].some((policy) =>
      (['Ingress', 'Egress'] as const).some((direction) =>
        isolates(policy, policyPod(pod, world), direction),
      ),
    ),
  )
  return {
    isolated: new Set(isolated),
    used: new Set([...pods.values(), ...isolated]),
    startsPods: steps.some(({ start }) => start.length > 0),
  }
}
