import type { Check } from '../check.ts'
import { assignPods } from '../assign-pods.ts'
import type { World, WorldPod } from '../world.ts'
import { choosePairs, type Place } from './pairs.ts'

/** Checks whose pods stand on every node: for which pods they are asked. Pure. */

/** A node that is covered, with the two fixture pods that stand for it. */
interface CoveredNode extends Place {
  pods: readonly WorldPod[]
}

/** Which fixture pod stands for each pod of a check that is not its own. */
export type Bound = ReadonlyMap<string, WorldPod>

/** The pods of a check that stand on every node. */
const everyRoles = ({ pods }: Pick<Check, 'pods'>): string[] =>
  Object.keys(pods).filter((role) => pods[role]?.node === 'every')

/** Is it asked on every node that has fixture pods? */
export const isOnEveryNode = (check: Pick<Check, 'pods'>): boolean => everyRoles(check).length > 0

/** Is it asked between each two of them? */
export const isOfPairs = (check: Pick<Check, 'pods'>): boolean => everyRoles(check).length > 1

/** The nodes that have fixture pods, in the order of their roles. */
function coveredNodes({ pods, further, nodes }: Pick<World, 'pods' | 'further' | 'nodes'>): CoveredNode[] {
  const zones = new Map(nodes.map(({ name, zone }) => [name, zone]))
  const inMain = [...pods, ...further].filter(({ namespace }) => namespace === 'main')
  return [...Map.groupBy(inMain, ({ pinnedTo }) => pinnedTo)].map(([name, there]) => {
    const zone = zones.get(name)
    return { name, pods: there, ...(zone === undefined ? {} : { zone }) }
  })
}

/**
 * Every way in which a check is asked: once, or once for each node, or for each chosen pair of nodes. Each holds until
 * the next is asked for: of a million there is one map.
 *
 * @param mostPairs see {@link choosePairs}
 */
export function* bindingsOf(check: Check, world: World, mostPairs: number): Generator<Bound> {
  const [one, other] = everyRoles(check)
  if (one === undefined) {
    yield bindPods(check, world)
    return
  }
  const nodes = coveredNodes(world)
  const podOn = (node: number, which: number): WorldPod => {
    const pod = nodes[node]?.pods[which]
    if (pod === undefined) throw new Error(`${check.id}: no fixture pod is left for it on a node`)
    return pod
  }
  const bound = new Map<string, WorldPod>()
  if (other === undefined) {
    for (const node of nodes.keys()) yield bound.set(one, podOn(node, 0))
    return
  }
  for (const [from, to] of choosePairs(nodes, mostPairs, world.seed))
    yield bound.set(one, podOn(from, 0)).set(other, podOn(to, from === to ? 1 : 0))
}

/** Which fixture pod stands for each pod of a check that is neither its own nor on every node. */
export function bindPods(check: Check, world: World): Map<string, WorldPod> {
  const bound = new Map<string, WorldPod>()
  for (const [role, pod] of assignPods(check.pods, [...world.pods, ...world.hosts, ...world.portPods])) {
    if (pod === undefined) throw new Error(`${check.id}: no fixture pod is left for "${role}"`)
    bound.set(role, pod)
  }
  return bound
}
