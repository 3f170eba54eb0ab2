import type { KubernetesObject } from '@kubernetes/client-node'
import type { Feature, Outcome, OutcomeKind } from '../../helpers/check.ts'
import type { Declared } from '../../helpers/outcome.ts'
import type { Kube } from '../../helpers/kube.ts'
import type { RunOnNode } from '../../helpers/nodes.ts'
import type { Session } from '../../helpers/session.ts'
import type { World } from '../../helpers/world.ts'

/** What a fault may touch: one of our own clusters, never another. */
export interface FaultContext {
  kube: Kube
  session: Session
  world: World
  /** Real names of the nodes worker1 and worker2. */
  workers: readonly [string, string]
  declared: Declared
  cni: { name: string; encapsulation: string }
  /** Runs a program on a node of the cluster; throws when it fails. */
  runOnNode: RunOnNode
  /** The fixtures as they were applied, to bring a killed one back. */
  fixtures: readonly KubernetesObject[]
}

/** What the red checks depend on: where the nodes' and the DNS servers' pods are, and the CNI; without one: whatever it is. */
export type Placement = Pick<World, 'nodes' | 'dns'> & { cni?: string }

/** What a cluster must be like for a fault: everything that is named. */
interface Needs {
  feature?: { name: Feature; declared: boolean }
  cnis?: readonly string[]
  encapsulation?: string
}

/** What a cluster is, as far as it decides whether a fault can be made on it. */
export interface Ground {
  cni: { name: string; encapsulation: string }
  declared: { features: readonly string[] }
}

/** Why a fault cannot be made on this cluster; undefined when it can. */
export function unmetNeed({ needs = {} }: Fault, { cni, declared }: Ground): string | undefined {
  const { feature, cnis, encapsulation } = needs
  if (feature !== undefined && declared.features.includes(feature.name) !== feature.declared)
    return `only where ${feature.name} is ${feature.declared ? '' : 'not '}declared`
  if (cnis !== undefined && !cnis.includes(cni.name)) return `only on ${cnis.join(' and ')}`
  if (encapsulation !== undefined && encapsulation !== cni.encapsulation) return `only with ${encapsulation}`
  return undefined
}

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
  /** Globs of the checks with steps that are asked too; they take seconds each, so only those that it concerns. */
  stepped?: readonly string[]
  /** Where it can be made at all; everywhere unless said. */
  needs?: Needs
  /**
   * `mid-run`: made between the look at the API and the first packet. `under-policy`: made whenever a check has applied
   * policies, mended before it deletes them. `before-removal`: made before that, mended when the check is over.
   */
  when: 'before-run' | 'mid-run' | 'under-policy' | 'before-removal'
  inject(context: FaultContext): Promise<void>
  /** Asked while the fault lasts, after the run: why it was vacuous; undefined when it took. */
  vacuous(context: FaultContext, outcomes: readonly Outcome[]): Promise<string | undefined>
  /** Comes again after the run, also when it has come before. */
  heal(context: FaultContext): Promise<void>
}
