import type { V1NetworkPolicy, V1Service } from '@kubernetes/client-node'
import { awaitUntil } from '../await.ts'
import { budgets } from '../budgets.ts'
import type { ServiceType, Step } from '../check-steps.ts'
import type { Outcome } from '../observation.ts'
import { messageOf } from '../errors.ts'
import { apiMessage, isNotFound, type Kube } from '../kube.ts'
import type { TracedPod } from '../looks/network-look.ts'
import type { PodStart } from './own-pods.ts'
import type { CreatedService } from './own-services.ts'
import type { State } from './step-cells.ts'
import type { BoundCheck } from './step-plan.ts'
import type { ServiceState } from './step-targets.ts'
import { rounded } from '../inspect.ts'
import type { World, WorldPod } from '../world.ts'

/** What steps change in the cluster, and how all of it is taken back. */

/** What changes are made with. */
export interface ChangeContext {
  world: World
  kube: Pick<Kube, 'tryApply' | 'networking'>
  /** Starts a pod of a check's own. */
  startPod(pod: WorldPod): Promise<PodStart>
  /** Asks for its deletion; throws where that is not accepted. */
  terminatePod(pod: WorldPod): Promise<unknown>
  /** Deletes it and waits until it is gone; throws when it stays. */
  stopPod(pod: WorldPod): Promise<void>
  /** Creates a Service; returns what it got, or what the API server said against it. */
  createService(service: V1Service): Promise<CreatedService | { refusal: string }>
  /** Gives it another type; returns the same. */
  changeService(service: V1Service, type: ServiceType): Promise<CreatedService | { refusal: string }>
  deleteService(target: { name: string; namespace: string }): Promise<unknown>
}

/** The same beside other checks. */
export interface StepChangeContext extends ChangeContext {
  /** Had a pod of one of these checks this address before it was stopped? */
  isFormer(ip: string): boolean
}

/** What a check has made. Everything in it is deleted when the check ends. */
export interface Made {
  /** Its policies that are in force now, by the name that the check gives them. */
  policies: Map<string, V1NetworkPolicy>
  services: Map<string, ServiceState>
  /** Its own pods that may exist, by role. */
  pods: Map<string, WorldPod>
  /** Those of them that run. */
  running: Map<string, WorldPod>
  /** Those of them whose deletion was asked for. */
  terminating: Set<string>
  /** As they were before they were stopped last. */
  former: Map<string, WorldPod>
  /** When their deletion was asked for (`performance.now`). */
  stoppedAtMs: Map<string, number>
  /** What was seen of them on their nodes while they ran. */
  traced: Map<string, TracedPod>
}

export const nothing = (): Made => ({
  policies: new Map(),
  services: new Map(),
  pods: new Map(),
  running: new Map(),
  terminating: new Set(),
  former: new Map(),
  stoppedAtMs: new Map(),
  traced: new Map(),
})

/** As flows see it. */
export const stateOf = ({ policies, running, terminating, former, services }: Made): State => ({
  policies: [...policies.values()],
  running,
  terminating,
  former,
  services,
})

/** What the changes of a step came to. */
export interface Changed {
  /** What the API server refused, in words; the check ends. */
  refusal?: string
  /** Each pod that was to start. */
  starts: ReadonlyMap<string, PodStart>
  /** When the last of them was Ready (`performance.now`). */
  readyAtMs?: number
  measurements: NonNullable<Outcome['measurements']>
}

/**
 * Deletes, stops, starts, applies and changes what the step says.
 *
 * @throws {BudgetExceeded} when a policy or a Service cannot be deleted
 */
export async function change(
  bound: BoundCheck,
  made: Made,
  step: Step,
  context: StepChangeContext,
): Promise<Changed> {
  const measurements: Changed['measurements'] = []
  await remove(bound, made, step.delete, context)
  await Promise.all(step.terminate.map((role) => terminate(made, role, context)))
  const stayed = await Promise.all(
    step.stop.map(async (role) => {
      const startedMs = performance.now()
      try {
        await stop(made, role, context)
      } catch (error) {
        return [messageOf(error)]
      }
      const ms = rounded(performance.now() - startedMs)
      measurements.push({ name: 'pod deleted to gone from the API', ms })
      return []
    }),
  )
  const [refusal] = stayed.flat()
  if (refusal !== undefined) return { refusal, starts: new Map(), measurements }
  const starts = new Map(
    await Promise.all(
      step.start.map(async (role) => [role, await start(bound, made, role, context)] as const),
    ),
  )
  for (const each of starts.values()) {
    if (each.state === 'ready') measurements.push({ name: 'pod created to Ready', ms: rounded(each.readyMs) })
  }
  const readyAtMs = performance.now()
  const refused =
    (await apply(bound, made, step.apply, context)) ?? (await retype(bound, made, step.types, context))
  return { starts, readyAtMs, measurements, ...(refused === undefined ? {} : { refusal: refused }) }
}

/** Times that a pod is started again because it got a former address; one try in 254 does on Cilium. */
const otherAddressTries = 3

async function start(
  bound: BoundCheck,
  made: Made,
  role: string,
  context: StepChangeContext,
): Promise<PodStart> {
  const wanted = bound.pods.get(role)
  if (wanted === undefined) throw new Error(`${bound.check.id} declares no pod "${role}"`)
  for (let left = otherAddressTries; ; left--) {
    // Before the request: one that got no answer may have been carried out.
    made.pods.set(role, wanted)
    const started = await context.startPod(wanted)
    if (started.state !== 'ready') return started
    made.running.set(role, started.pod)
    if (!context.isFormer(started.pod.ip) || left <= 1) return started
    // While it has a former address nothing can be said about that one; what it had for a moment is not asked about.
    const former = made.former.get(role)
    await stop(made, role, context)
    if (former !== undefined) made.former.set(role, former)
  }
}

async function stop(made: Made, role: string, context: ChangeContext): Promise<void> {
  const pod = made.running.get(role) ?? made.pods.get(role)
  if (pod === undefined) return
  made.stoppedAtMs.set(role, performance.now())
  await context.stopPod(pod)
  if (made.running.has(role)) made.former.set(role, pod)
  made.running.delete(role)
  made.terminating.delete(role)
  made.pods.delete(role)
}

async function terminate(made: Made, role: string, context: ChangeContext): Promise<void> {
  const pod = made.running.get(role)
  if (pod === undefined) return
  made.stoppedAtMs.set(role, performance.now())
  // Before the request: one that got no answer may have been carried out.
  made.terminating.add(role)
  await context.terminatePod(pod)
}

async function apply(
  { check, policies, services }: BoundCheck,
  made: Made,
  names: readonly string[],
  context: ChangeContext,
): Promise<string | undefined> {
  const refusals = await Promise.all(
    names.map(async (name) => {
      const service = services.get(name)
      if (service !== undefined) {
        const type = 'ClusterIP'
        made.services.set(name, { ip: '', exists: true, type, nodePorts: {} })
        const created = await context.createService(service.object)
        if ('refusal' in created) return [`Service ${service.object.metadata?.name}: ${created.refusal}`]
        made.services.set(name, { ...created, exists: true, type })
        return []
      }
      const policy = policies.get(name)
      if (policy === undefined) throw new Error(`${check.id} declares no policy "${name}"`)
      made.policies.set(name, policy)
      const refusal = await context.kube.tryApply(policy)
      return refusal === undefined ? [] : [`policy ${policy.metadata?.name}: ${refusal}`]
    }),
  )
  const [first] = refusals.flat()
  return first === undefined ? undefined : `the API server did not accept ${first}`
}

/** Other types of Services that exist. What they got first stays in the state: it is that which clients know. */
async function retype(
  { services }: BoundCheck,
  made: Made,
  types: Step['types'],
  context: ChangeContext,
): Promise<string | undefined> {
  for (const [name, type] of Object.entries(types)) {
    const object = services.get(name)?.object
    const before = made.services.get(name)
    if (object === undefined || before === undefined) continue
    const changed = await context.changeService(object, type)
    const what = `Service ${object.metadata?.name} as ${type}`
    if ('refusal' in changed) return `the API server did not accept ${what}: ${changed.refusal}`
    const nodePorts = type === 'NodePort' ? changed.nodePorts : before.nodePorts
    made.services.set(name, { ...before, type, nodePorts })
  }
  return undefined
}

async function remove(
  bound: BoundCheck,
  made: Made,
  names: readonly string[],
  context: ChangeContext,
): Promise<void> {
  for (const each of names) {
    const service = made.services.get(each)
    const object = service === undefined ? made.policies.get(each) : bound.services.get(each)?.object
    const { name = '', namespace = '' } = object?.metadata ?? {}
    const kind = service === undefined ? 'policy' : 'Service'
    await awaitUntil(
      async () => {
        try {
          if (service === undefined)
            await context.kube.networking.deleteNamespacedNetworkPolicy({ name, namespace })
          else await context.deleteService({ name, namespace })
        } catch (error) {
          if (!isNotFound(error)) return { done: false, seen: apiMessage(error) }
        }
        return { done: true, value: undefined }
      },
      {
        what: `${kind} ${namespace}/${name} of ${bound.check.id} to be deleted`,
        budget: budgets.policyEnforcedMs,
        next: `delete it by hand: kubectl -n ${namespace} delete ${service === undefined ? 'networkpolicy' : 'service'} ${name}`,
      },
    )
    made.policies.delete(each)
    if (service !== undefined) made.services.set(each, { ...service, exists: false })
  }
}

/**
 * Deletes all that a check has made.
 *
 * @throws {BudgetExceeded} for what stays
 */
export async function removeAll(bound: BoundCheck, made: Made, context: ChangeContext): Promise<void> {
  const services = [...made.services].filter(([, { exists }]) => exists).map(([name]) => name)
  await Promise.all([
    remove(bound, made, [...made.policies.keys(), ...services], context),
    ...[...made.pods.keys()].map((role) => stop(made, role, context)),
  ])
}
