import type { KubernetesObject } from '@kubernetes/client-node'
import type { Feature } from '../../helpers/check.ts'
import type { Outcome, OutcomeKind } from '../../helpers/observation.ts'
import type { Declared } from '../../helpers/outcome.ts'
import type { Kube } from '../../helpers/kube.ts'
import type { RunOnNode } from '../../helpers/nodes.ts'
import type { Session } from '../../helpers/session.ts'
import type { Life, Moment } from '../../helpers/steps/step-moments.ts'
import type { World } from '../../helpers/world.ts'
import type { Workers } from '../../helpers/fixture-nodes.ts'

/** What a fault may touch: one of our own clusters, never another. */
export interface FaultContext {
  kube: Kube
  session: Session
  world: World
  workers: Workers
  declared: Declared
  cni: { name: string; encapsulation: string }
  /** Its mode; none where the CNI serves Services in its place. */
  kubeProxy: string
  /** Runs a program on a node of the cluster; throws when it fails. */
  runOnNode: RunOnNode
  /** The fixtures as they were applied, to bring a killed one back. */
  fixtures: readonly KubernetesObject[]
}

/**
 * What the red checks depend on: where the nodes' and the DNS servers' pods are, the CNI and who serves Services; without
 * one: whatever it is.
 */
export type Placement = Pick<World, 'nodes' | 'dns'> & { cni?: string; kubeProxy?: string }

/** What a cluster must be like for a fault: everything that is named. */
interface Needs {
  feature?: { name: Feature; declared: boolean }
  cnis?: readonly string[]
  encapsulation?: string
  /** So many nodes with fixture pods at least. */
  workers?: number
}

/** What a cluster is, as far as it decides whether a fault can be made on it. */
export interface Ground {
  cni: { name: string; encapsulation: string }
  kubeProxy?: string
  declared: { features: readonly string[] }
  workers: { length: number }
}

/** Why a fault cannot be made on this cluster; undefined when it can. */
export function unmetNeed(
  { needs = {} }: Fault,
  { cni, declared, workers: has }: Ground,
): string | undefined {
  const { feature, cnis, encapsulation, workers = 0 } = needs
  if (feature !== undefined && declared.features.includes(feature.name) !== feature.declared)
    return `only where ${feature.name} is ${feature.declared ? '' : 'not '}declared`
  if (cnis !== undefined && !cnis.includes(cni.name)) return `only on ${cnis.join(' and ')}`
  if (has.length < workers) return `only with ${workers} workers or more`
  if (encapsulation !== undefined && encapsulation !== cni.encapsulation) return `only with ${encapsulation}`
  return undefined
}

/**
 * Faults that come with what a check changes. The first moment makes them, each other mends them.
 *
 * - `under-policy`: while policies are applied
 * - `before-apply`, `before-removal`, `before-change`, `before-start`: before a check applies, deletes, changes or starts
 *   what is its own, until it is over
 * - `after-apply`: when it has applied something, until it is over
 * - `before-terminate`: before the deletion of a pod of its own is asked for, until one has to go
 * - `after-stop`: when a pod of its own has gone, until the next one starts
 * - `after-start`: when a pod of its own runs, until the check is over
 */
export const stepMoments = {
  'under-policy': ['applied', 'deleting', 'ending'],
  'before-apply': ['applying', 'ended'],
  'after-apply': ['applied', 'ending'],
  'before-removal': ['deleting', 'ended'],
  'before-change': ['changing', 'ended'],
  // What was not made can hardly be taken away while it lasts.
  'before-start': ['starting', 'ending'],
  'before-terminate': ['terminating', 'stopping', 'ending'],
  'after-stop': ['stopped', 'starting', 'ending'],
  'after-start': ['started', 'ending'],
} as const satisfies Record<string, readonly [Moment, ...Moment[]]>
type StepMoment = keyof typeof stepMoments

/** A fault is a value like a check: what it breaks, which checks it must turn red, how it is made and mended. */
export interface Fault {
  id: string
  /** What is broken, one sentence. */
  breaks: string
  /** Globs of the checks that must not pass while it lasts, given where the pods are; all others must. */
  red(world: Placement): readonly string[]
  /** Globs of the checks that may pass or end as the red ones do, with the reason in a comment. */
  either?: readonly string[]
  /** How those checks must end. */
  outcome: Extract<OutcomeKind, 'failed' | 'not-run'>
  /** Globs of the checks that can say nothing while it lasts: they must end as not-run. */
  inconclusive?: readonly string[] | ((ground: Ground) => readonly string[])
  /** Globs of the checks with steps, or that last, which are asked too: they take seconds, so only those that it concerns. */
  stepped?: readonly string[]
  /** Milliseconds after which flows that stand still are a finding; shorter where all that is asked must be red. */
  settledMs?: number
  /** Where it can be made at all; everywhere unless said. */
  needs?: Needs
  /** Before the run; between the look at the API and the first packet; or at a moment of checks with steps. */
  when: 'before-run' | 'mid-run' | StepMoment
  /** @param lives the pods that the moment is about */
  inject(context: FaultContext, lives: readonly Life[]): Promise<void>
  /** Asked while the fault lasts, after the run: why it was vacuous; undefined when it took. */
  vacuous(context: FaultContext, outcomes: readonly Outcome[]): Promise<string | undefined>
  /** Comes again after the run, also when it has come before. */
  heal(context: FaultContext): Promise<void>
}
