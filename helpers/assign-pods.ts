import type { FixtureSpec } from './fixture-objects.ts'

/** Which fixture pod stands for which pod of a check. Pure. */

/** What a check says of a pod that it wants. */
export interface WantedPod {
  /** every: it stands on each node in turn, see helpers/coverage. */
  node: 'worker1' | 'worker2' | 'every'
  namespace: FixtureSpec['namespace']
  /** host: that of its node; such pods are in a namespace of their own. */
  network?: 'pod' | 'host' | undefined
  /** In that namespace, too. */
  hostPort?: true | undefined
  /** A pod of the check's own: no fixture pod stands for it. */
  own?: true | undefined
}

/**
 * Which fixture pod stands for each role that is neither the check's own nor on every node: the first free one on the
 * right node and in the right namespace; undefined where none is left.
 */
export function assignPods<Pod extends Pick<FixtureSpec, 'node' | 'namespace' | 'hostPort'>>(
  wanted: Readonly<Record<string, WantedPod>>,
  fixtures: readonly Pod[],
): Map<string, Pod | undefined> {
  const free = new Set(fixtures)
  const assigned = new Map<string, Pod | undefined>()
  for (const [role, { node, own, hostPort, ...about }] of Object.entries(wanted)) {
    if (own === true || node === 'every') continue
    const namespace = namespaceOf({ hostPort, ...about })
    const pod = [...free].find(
      (each) => each.node === node && each.namespace === namespace && each.hostPort === hostPort,
    )
    if (pod !== undefined) free.delete(pod)
    assigned.set(role, pod)
  }
  return assigned
}

/** The fixture namespace that a wanted pod is in. */
export const namespaceOf = (wanted: Omit<WantedPod, 'node'>): FixtureSpec['namespace'] =>
  wanted.network === 'host' || wanted.hostPort === true ? 'host' : wanted.namespace
