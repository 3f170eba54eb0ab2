import type { Observation, Outcome } from '../../helpers/observation.ts'
import type { NewEvent, RunEvent } from '../events.ts'
import { foldEvents } from '../fold.ts'
import type { Cluster, Identity, Provenance, Run, SetupFailure } from '../model.ts'
import { clusterNamed, outcomesOf, runStarted, timeAt, type Broken } from '../run.testdata.ts'

/** Runs of several legs as the matrix makes them: phases behind one another, legs side by side. */

/** A leg to be made up. */
export interface LegPlan {
  name: string
  cni: 'flannel' | 'calico' | 'cilium'
  broken?: (check: string) => Broken | undefined
  failure?: SetupFailure
  /** Outcomes besides, or instead. */
  change?: (outcomes: Outcome[]) => Outcome[]
}

const versions = { flannel: 'v0.28.9', calico: 'v3.28.5', cilium: 'v1.19.4' } as const
const dataPlanes = { flannel: 'bridge + iptables', calico: 'iptables', cilium: 'eBPF' } as const

/** The three legs that the product compares by default, all green. */
export const threeLegs: readonly LegPlan[] = (['flannel', 'calico', 'cilium'] as const).map((cni) => ({
  name: cni,
  cni,
  change: (outcomes) => [...outcomes, ...policyOutcomes(cni !== 'flannel')],
}))

/** A run over these legs; the numbers differ from leg to leg and from check to check, the same each time. */
export function runOf(plans: readonly LegPlan[]): Run {
  const outcomes = plans.map((plan, index) => plannedOutcomes(plan, index))
  const first = runStarted()
  if (first.type !== 'run-started') throw new Error('not a start')
  const legs = plans.map((plan, index) => ({
    cluster: clusterOf(plan),
    planned: (outcomes[index] ?? []).map(({ check, level, covers, requirement, rung, features }) => ({
      check,
      level,
      covers,
      requirement,
      ...(rung === undefined ? {} : { rung }),
      ...(features === undefined ? {} : { features }),
    })),
  }))
  const events = plans.flatMap((plan, index) => legEventsOf(plan, outcomes[index] ?? [], index))
  const sorted = events.toSorted((a, b) => a.at.localeCompare(b.at))
  const end = sorted.at(-1)?.at ?? timeAt(0)
  return foldEvents([{ at: timeAt(0), ...first, legs }, ...sorted, { at: end, type: 'run-ended' }])
}

/** So many legs with so many checks each; every tenth leg broken between the nodes, one dead. */
export function largeRun(legs: number, checks: number): Run {
  const plans = Array.from({ length: legs }, (_, index): LegPlan => {
    const cni = (['flannel', 'calico', 'cilium'] as const)[index % 3] ?? 'flannel'
    return {
      name: `${cni}-${['vxlan', 'host-gw', 'nftables', 'dual-stack', 'kpr'][index % 5]}-${index + 1}`,
      cni,
      ...(index % 10 === 3 ? { broken: betweenNodes } : {}),
      ...(index === 8 ? { failure: pullFailure } : {}),
      change: (outcomes) => grown(outcomes, checks, cni !== 'flannel'),
    }
  })
  return runOf(plans)
}

/** Nothing crosses between the nodes, and half of each Service is gone. */
export const betweenNodes = (check: string): Broken | undefined => {
  if (check.startsWith('pod-to-pod/cross-node/'))
    return { verdict: 'timed-out', detail: 'no answer in 3000 ms at connect' }
  if (check.startsWith('service/cluster-ip/'))
    return { verdict: 'timed-out', detail: '31 of 64: no answer in 3000 ms at connect' }
  return undefined
}

/** A CNI that did not come up. */
export const pullFailure: SetupFailure = {
  phase: 'cni',
  what: 'waited 300 s (budget cniReadyMs) for DaemonSet kube-system/cilium to be ready on 3 nodes',
  seen: '0 of 3 ready\ncilium-x7k2p on cilium-worker: ImagePullBackOff: quay.io/cilium/cilium:v1.19.4',
  next: 'look at `cni-conformance doctor`, or run again with --keep=on-failure and look at the pods',
}

function plannedOutcomes({ broken, change }: LegPlan, index: number): Outcome[] {
  const outcomes = outcomesOf(broken).map((outcome, at) => withNumbers(outcome, index, at))
  return change === undefined ? outcomes : change(outcomes)
}

/** Latencies as they spread in real life: most of them close together, a few several times as long. */
function withNumbers(outcome: Outcome, leg: number, at: number): Outcome {
  const slower = { loopback: 0.4, 'same-node': 0.7, 'other-node': 1, service: 1.2, dns: 1.6 }
  const observations = outcome.observations.map((each, probe): Observation => {
    if (each.latencyMs === undefined || outcome.rung === undefined) return each
    const spread = pseudoRandom(leg * 7_919 + at * 131 + probe)
    const latencyMs = slower[outcome.rung] * (0.35 + spread ** 4 * 6) * (1 + (leg % 3) * 0.3)
    return { ...each, latencyMs: Math.round(latencyMs * 1_000) / 1_000 }
  })
  return { ...outcome, observations }
}

/** A number below 1 that depends on nothing but its seed. */
function pseudoRandom(seed: number): number {
  const value = Math.sin(seed) * 10_000
  return value - Math.floor(value)
}

function policyOutcomes(declared: boolean): Outcome[] {
  return ['default-deny-ingress', 'default-deny-egress', 'allow-by-pod', 'allow-by-namespace'].map(
    (what) => ({
      check: `network-policy/${what}`,
      level: 'extended',
      features: ['network-policy'],
      covers: ['N1'],
      requirement: `A NetworkPolicy (${what}) MUST be enforced between pods on one node and on different nodes.`,
      ...(declared
        ? { outcome: 'passed', durationMs: 1_240 }
        : { outcome: 'unsupported', reason: 'the cluster does not declare network-policy', durationMs: 0 }),
      observations: [],
    }),
  )
}

function grown(outcomes: readonly Outcome[], checks: number, policy: boolean): Outcome[] {
  const all = [...outcomes, ...policyOutcomes(policy)]
  return Array.from({ length: checks }, (_, index) => {
    const outcome = all[index % all.length]
    if (outcome === undefined) throw new Error('no outcomes')
    const round = Math.floor(index / all.length)
    return round === 0 ? outcome : { ...outcome, check: `${outcome.check}-${round + 1}` }
  })
}

function clusterOf({ name, cni }: LegPlan): Cluster {
  const cluster = clusterNamed(name)
  const definition = {
    ...cluster.definition,
    cni: { name: cni, version: versions[cni], encapsulation: 'vxlan' },
    features: cni === 'flannel' ? [] : ['network-policy'],
  }
  return { ...cluster, definition }
}

function identityOf({ cni, name }: LegPlan): Identity {
  return {
    kubernetes: 'v1.37.0',
    cni: { name: cni, version: versions[cni], encapsulation: 'vxlan', dataPlane: dataPlanes[cni] },
    kubeProxy: 'iptables',
    mtu: 1_450,
    kernel: '6.18.0',
    containerRuntime: 'containerd://2.3.7',
    nodes: ['control-plane', 'worker', 'worker2'].map((node) => ({
      name: `${name}-${node}`,
      role: node === 'control-plane' ? node : 'worker',
    })),
  }
}

function provenanceOf({ cni }: LegPlan): Provenance[] {
  const from = { version: versions[cni], provider: 'source', digest: `sha256:${'ab'.repeat(32)}` }
  return [
    { artefact: 'kindest/node', kind: 'image', upstream: 'docker.io/kindest/node:v1.37.0', ...from },
    { artefact: `${cni} agent`, kind: 'image', upstream: `example.org/${cni}:${versions[cni]}`, ...from },
    {
      artefact: `${cni}.yaml`,
      kind: 'manifest',
      upstream: `https://example.org/${cni}/${versions[cni]}.yaml`,
      ...from,
      builtFrom: `example.org/${cni}@${versions[cni]}`,
    },
  ]
}

const usual = { images: 600, create: 28_400, cni: 15_900, fixtures: 2_300, traffic: 640, checks: 1_070 }

/** Two legs at a time, each with its phases in sequence. */
function legEventsOf(plan: LegPlan, outcomes: readonly Outcome[], index: number): RunEvent[] {
  const leg = plan.name
  let clock = Math.floor(index / 2) * 54_000 + (index % 2) * 1_500
  const at = (event: NewEvent): RunEvent => ({ at: timeAt(clock), ...event })
  const events: RunEvent[] = [at({ type: 'provenance', leg, provenance: provenanceOf(plan) })]
  const phase = (name: string, ms: number, ok = true): void => {
    events.push(at({ type: 'phase-started', leg, name }))
    clock += ms
    events.push(at({ type: 'phase-ended', leg, name, ms, ok }))
  }
  for (const [name, ms] of Object.entries(usual)) {
    const broken = plan.failure?.phase === name
    phase(name, Math.round(ms * (0.9 + 0.3 * pseudoRandom(index + ms))), !broken)
    if (broken && plan.failure !== undefined) {
      events.push(at({ type: 'setup-failed', leg, failure: plan.failure }))
      return events
    }
  }
  events.push(at({ type: 'leg-identity', leg, identity: identityOf(plan) }))
  events.push(
    ...outcomes.map((outcome) => at({ type: 'outcome', leg, outcome })),
    at({ type: 'leg-ended', leg }),
  )
  phase('delete', 2_400)
  return events
}
