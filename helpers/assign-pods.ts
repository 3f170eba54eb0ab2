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
  /** own: it brings its DNS configuration along. */
  dns?: 'own' | undefined
  /** A pod of the check's own: no fixture pod stands for it. */
  own?: true | undefined
  /** It serves on for a while when its deletion is asked for. */
  lingers?: true | undefined
}

/**
 * Which fixture pod stands for each role that is neither the check's own nor on every node: the first free one on the
 * right node and in the right namespace; undefined where none is left.
 */
export function assignPods<Pod extends Omit<FixtureSpec, 'name'>>(
  wanted: Readonly<Record<string, WantedPod>>,
  fixtures: readonly Pod[],
): Map<string, Pod | undefined> {
  const free = new Set(fixtures)
  const assigned = new Map<string, Pod | undefined>()
  for (const [role, want] of Object.entries(wanted)) {
    if (want.own === true || want.node === 'every') continue
    const pod = [...free].find((each) => standsFor(each, want))
    if (pod !== undefined) free.delete(pod)
    assigned.set(role, pod)
  }
  return assigned
}

/** Is this fixture pod as a check wants it? */
export const standsFor = (pod: Omit<FixtureSpec, 'name'>, wanted: WantedPod): boolean =>
  pod.node === wanted.node &&
  pod.namespace === namespaceOf(wanted) &&
  pod.hostPort === wanted.hostPort &&
  (pod.dns === 'None') === (wanted.dns === 'own')

/** The fixture namespace that a wanted pod is in. */
export const namespaceOf = (wanted: Omit<WantedPod, 'node'>): FixtureSpec['namespace'] =>
  wanted.network === 'host' || wanted.hostPort === true ? 'host' : wanted.namespace
