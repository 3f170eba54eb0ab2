import { randomInt } from 'node:crypto'
import type { V1NetworkPolicy, V1Service } from '@kubernetes/client-node'
import { heldPorts, keptPorts } from '../agent/source-ports.ts'
import { everyPod, newcomerRole, selectedBy, type Flow, type Step } from '../check-steps.ts'
import { startsPods, type Check } from '../check.ts'
import { bindPods } from '../coverage/every-node.ts'
import { serviceObject, stickySpec } from '../fixture-objects.ts'
import { managedLabel, podLabel, selectsAll } from '../fixture-pods.ts'
import { endpointsOf } from '../plan/planned.ts'
import { isolates } from './policy-engine.ts'
import { objectName, policyObjects, policyPod } from './policy-objects.ts'
import type { World, WorldPod } from '../world.ts'

/** Checks with steps bound to the world, and which of them can run side by side. Pure. */

/** A Service of a check before it exists. */
export interface BoundService {
  object: V1Service
  /** Roles of the pods behind it. */
  selects: readonly string[]
  /** Fixture pods behind it that have no role for that. */
  fixtures: readonly WorldPod[]
  /** A client stays with its endpoint. */
  sticky: boolean
  /** Source ports of clients that keep theirs, and of those that hold a socket. */
  ports: Record<NonNullable<Flow['keeps']>, number>
}

/** A check with steps, its roles, policies and Services bound to the pods of this world. */
export interface BoundCheck {
  check: Check
  steps: readonly Step[]
  /** Those of its own too: as they will be, without an address. */
  pods: ReadonlyMap<string, WorldPod>
  policies: ReadonlyMap<string, V1NetworkPolicy>
  services: ReadonlyMap<string, BoundService>
}

/** Binds a check with steps. Pure but for the source ports: a connection table may remember those of an earlier run. */
export function bindSteps(check: Check, world: World): BoundCheck {
  const pods: Map<string, WorldPod> = bindPods(check, world)
  for (const [role, { node, namespace, own, lingers }] of Object.entries(check.pods)) {
    if (own !== true || node === 'every') continue
    const pod = unborn(ownPodName(check, role), node, namespace, world)
    const labels = { ...pod.labels, ...labelsBehind(check, role) }
    pods.set(role, { ...pod, labels, ...(lingers === undefined ? {} : { lingers }) })
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
    services: boundServices(check, pods, world),
  }
}

/**
 * Checks of ours whose pods of one role come and go in the same steps have them together, by their name: a pod that starts
 * keeps a processor busy for two seconds. Not so where a policy or a Service of the check is about more than the pod alone,
 * or the check has steps at times of its own.
 */
function ownPodName(check: Check, role: string): string {
  const { steps = [], policies, own } = check
  const { node, lingers } = check.pods[role] ?? {}
  const changes = (['start', 'stop', 'terminate'] as const).map((change) =>
    steps.map((step) => (step[change].includes(role) ? '1' : '0')).join(''),
  )
  const isItsOwn =
    own === true ||
    lingers === true ||
    isPatient(check) ||
    Object.keys(policies ?? {}).length > 0 ||
    Object.keys(labelsBehind(check, role)).length > 0
  return isItsOwn ? objectName(check, role) : `on-${node}-${changes.join('-')}-${role}`
}

function boundServices(
  check: Check,
  pods: ReadonlyMap<string, WorldPod>,
  world: World,
): Map<string, BoundService> {
  const keptFrom = randomInt(keptPorts[1])
  return new Map(
    Object.entries(check.services ?? {}).map(([name, service], index) => {
      const { selects, affinitySeconds: timeoutSeconds } = service
      const selector =
        selects === everyPod
          ? selectsAll
          : typeof selects === 'string'
            ? { [podLabel]: pods.get(selects)?.name ?? '' }
            : { [behindLabel(check, name)]: 'yes' }
      const object = serviceObject({
        name: objectName(check, name),
        namespace: world.namespaces.main,
        labels: managedLabel,
        selector,
        ...(timeoutSeconds === undefined ? {} : { spec: stickySpec(timeoutSeconds) }),
      })
      return [
        name,
        {
          object,
          selects: selectedBy(service),
          fixtures: selects === everyPod ? endpointsOf(world) : [],
          sticky: timeoutSeconds !== undefined,
          ports: {
            'source-port': portIn(keptPorts, keptFrom + index),
            socket: portIn(heldPorts, keptFrom + index),
          },
        },
      ]
    }),
  )
}

const portIn = ([first, count]: readonly [number, number], at: number): number => first + (at % count)

/** Label of the pods of a check's own that one of its Services selects together. */
const behindLabel = (check: Check, service: string): string =>
  `behind.cni-conformance/${objectName(check, service)}`

/** Labels by which Services of its check select a pod of its own together with others. */
const labelsBehind = (check: Check, role: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(check.services ?? {})
      .filter(([, { selects }]) => typeof selects !== 'string' && selects.includes(role))
      .map(([name]) => [behindLabel(check, name), 'yes']),
  )

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

/**
 * Checks that spend their time on waiting for something to pass, such as what a DNS server keeps for seconds, and the
 * others: the former measure nothing that pods which start beside them would change, so both can go on at the same time.
 * Who would be isolated by a policy of the others, or isolates one of theirs, is among the others.
 */
export function lanesOf(checks: readonly BoundCheck[], world: World): BoundCheck[][] {
  const reaches = new Map(checks.map((check) => [check, reachOf(check, world)]))
  const busy = checks.filter(({ check }) => !isPatient(check))
  const isAlone = (check: BoundCheck): boolean => {
    const reach = reaches.get(check)
    return busy.every((other) => {
      const theirs = reaches.get(other)
      return reach !== undefined && theirs !== undefined && staysApart(reach, theirs)
    })
  }
  const patient = checks.filter((check) => isPatient(check.check) && isAlone(check))
  return [checks.filter((check) => !patient.includes(check)), patient]
}

/** Does a step of the check wait for time to pass? */
const isPatient = ({ steps = [] }: Check): boolean =>
  steps.some(({ waits, flows }) => waits !== undefined || flows.some(({ via }) => via === 'record'))

/** Pods that a check isolates, and all that it rests on. */
interface Reach {
  isolated: ReadonlySet<WorldPod>
  used: ReadonlySet<WorldPod>
  startsPods: boolean
}

const independent = (a: Reach, b: Reach): boolean => a.startsPods === b.startsPods && staysApart(a, b)

const staysApart = (a: Reach, b: Reach): boolean =>
  ![...a.isolated].some((pod) => b.used.has(pod)) && ![...b.isolated].some((pod) => a.used.has(pod))

function reachOf({ check, pods, policies }: BoundCheck, world: World): Reach {
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
    startsPods: startsPods(check),
  }
}
