import type { KubernetesObject, V1NetworkPolicy } from '@kubernetes/client-node'
import type { Of, WireEnd, WireResult } from '../agent/protocol.ts'
import { sleep } from '../await.ts'
import type { PlannedProbe } from '../plan/planned.ts'
import { decide, type PolicyWorld } from './policy-engine.ts'
import { SimulatedLife, type LifeFaults } from './life.testdata.ts'
import { namespaceLabels, policyPod } from './policy-objects.ts'
import type { StepContext } from './steps.ts'
import type { World, WorldPod } from '../world.ts'

/** A network with a policy engine of its own, with faults, for tests of what runs checks with steps. */
export interface Simulated {
  world: World
  features?: string[]
  /** From the API server's yes until packets feel it, in milliseconds. */
  enforcedAfterMs?: number
  restoredAfterMs?: number
  /** Which policies are enforced at all. */
  enforces?: (policy: V1NetworkPolicy) => boolean
  /** What becomes of a question that the policies leave undecided; undefined is an answer. */
  breaks?: (from: WorldPod, to: WorldPod, protocol: string, denied: boolean) => WireEnd | undefined
  /** Round trip of an answer in milliseconds. */
  answerMs?: (from: WorldPod, to: WorldPod) => number
  /** Milliseconds that the server of each pod waited for a processor in this batch. */
  waitedMs?: (probes: readonly PlannedProbe[]) => number
  /** Pods whose agents have no stream. */
  dead?: readonly string[]
  /** For how long a new pod gets answers that it should not. */
  leakMs?: number
  /** What the API server says to a policy. */
  refusal?: string
  /** How the pods and Services of checks' own fare. */
  life?: LifeFaults
}

/** What went over the wire and the API. */
export interface Log {
  batches: PlannedProbe[][]
  /** "apply x", "delete x", in order. */
  changes: string[]
}

/** A context for `runSteps` on a simulated network, and the log of what was done to it. */
export function simulate(network: Simulated): StepContext & { log: Log } {
  const { world } = network
  const log: Log = { batches: [], changes: [] }
  const life = new SimulatedLife(world, network.life ?? {}, (change) => void log.changes.push(change))
  const active = new Map<string, { policy: V1NetworkPolicy; fromMs: number; untilMs: number }>()
  const { enforcedAfterMs = 0, restoredAfterMs = 0, enforces = () => true, leakMs = 0 } = network
  const networking = {
    deleteNamespacedNetworkPolicy: async ({ name }: { name: string }) => {
      log.changes.push(`delete ${name}`)
      const found = active.get(name)
      if (found !== undefined) found.untilMs = performance.now() + restoredAfterMs
    },
  }
  const inForce = (): PolicyWorld => {
    const now = performance.now()
    const policies = [...active.values()]
      .filter(({ policy, fromMs, untilMs }) => enforces(policy) && fromMs <= now && now < untilMs)
      .map(({ policy }) => policy)
    return { policies, namespaces: namespaceLabels(world) }
  }
  return {
    world,
    log,
    declared: {
      features: [...(network.features ?? ['network-policy', 'node-access']), 'pod-cidr', 'definition'],
      expect: [],
      matches: () => false,
    },
    kube: {
      tryApply: async (object: KubernetesObject) => {
        const policy = object as V1NetworkPolicy
        const name = policy.metadata?.name ?? ''
        log.changes.push(`apply ${name}`)
        const fromMs = performance.now() + enforcedAfterMs
        active.set(name, { policy, fromMs, untilMs: Infinity })
        return network.refusal
      },
      networking: networking as unknown as StepContext['kube']['networking'],
    },
    startPod: (pod) => life.startPod(pod),
    meetPods: async () => undefined,
    terminatePod: (pod) => life.terminatePod(pod),
    stopPod: (pod) => life.stopPod(pod),
    createService: (service) => life.createService(service),
    changeService: (service, type) => life.changeService(service, type),
    deleteService: (target) => life.deleteService(target),
    livingPods: async () => life.livingPods(),
    tracer: life.tracer,
    async startNewcomer(_template, newcomer, plan) {
      const { policies, namespaces } = inForce()
      const results = plan.targets.map(({ name }) => {
        const to = world.pods.find((pod) => pod.name === name)
        if (to === undefined) throw new Error(`no pod ${name}`)
        const asked = { from: policyPod(newcomer, world), to: policyPod(to, world), port: 8081 } as const
        const { allowed } = decide({ policies, namespaces }, { ...asked, protocol: 'TCP' })
        const times = allowed ? { firstMs: 40, lastMs: 2_990 } : { firstMs: 40, lastMs: leakMs }
        const answers = allowed || leakMs > 0
        return {
          name,
          asked: 300,
          answered: answers ? 5 : 0,
          ...(answers ? times : {}),
          peers: answers ? [to.uid] : [],
        }
      })
      return { podUid: 'new', startedMs: 100, results }
    },
    async ask(probes) {
      log.batches.push(probes)
      const policies = inForce()
      await sleep(5)
      return repliesOf(probes, policies, network, life)
    },
  }
}

function recordResult({ id, name }: Of<'dns'>, life: SimulatedLife): WireResult {
  const answers = life.recordsOf(name)
  const said = answers.length === 0 ? { rcode: 'NXDOMAIN' } : { rcode: 'NOERROR', answers }
  return { id, end: 'answered', attempts: 1, ms: 1, ...said }
}

function repliesOf(
  probes: readonly PlannedProbe[],
  policies: PolicyWorld,
  { world, breaks, answerMs = () => 1, waitedMs = () => 0, dead = [] }: Simulated,
  life: SimulatedLife,
) {
  const results = new Map<string, WireResult>()
  for (const { from: asker, questions } of probes) {
    // Flows are asked by pods, never by the server outside.
    const from = asker as WorldPod
    if (dead.includes(from.name)) continue
    for (const { agent, wire } of questions) {
      if (wire.kind === 'dns') results.set(`${agent}/${wire.id}`, recordResult(wire, life))
      if (wire.kind !== 'tcp' && wire.kind !== 'udp' && wire.kind !== 'http') continue
      const found = life.whoHas({ ...wire, from, sourcePort: wire.sourcePort })
      const end = typeof found === 'string' ? found : endOf(found)
      results.set(`${agent}/${wire.id}`, {
        id: wire.id,
        end,
        attempts: 1,
        // Of a datagram nobody knows sooner.
        ...(end === 'timeout' && wire.kind === 'udp' ? { phase: 'answer' as const } : {}),
        ms: typeof found !== 'string' && end === 'answered' ? answerMs(from, found) : wire.timeoutMs,
        ...(typeof found !== 'string' && end === 'answered' ? { identity: identityOf(found) } : {}),
      })
      function endOf(to: WorldPod): WireEnd {
        const port = wire.kind === 'http' ? 8080 : 8081
        const protocol = wire.kind === 'udp' ? 'UDP' : 'TCP'
        const asked = { from: policyPod(from, world), to: policyPod(to, world), port, protocol } as const
        const denied = !decide(policies, asked).allowed
        return breaks?.(from, to, wire.kind, denied) ?? (denied ? 'timeout' : 'answered')
      }
      function identityOf(to: WorldPod) {
        const nonce = 'nonce' in wire ? wire.nonce : ''
        return { nonce, podUid: to.uid, pod: to.fullName, node: to.pinnedTo, saw: from.ip }
      }
    }
  }
  return {
    result: (agent: string, id: number) => results.get(`${agent}/${id}`),
    fault: (agent: string) => (dead.includes(agent) ? 'the stream broke' : undefined),
    waitedMs: () => waitedMs(probes),
  }
}
