import type { Placement } from './fault.ts'

/** InternalIP of a node. */
export function addressOf(world: Pick<Placement, 'nodes'>, name: string): string {
  const node = world.nodes.find((each) => each.name === name)
  if (node === undefined) throw new Error(`no node ${name}`)
  return node.address
}
