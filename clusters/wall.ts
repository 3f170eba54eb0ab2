import type { RunOnNode } from '../helpers/nodes.ts'

/**
 * Keeps packets to Services that nobody carries, such as one that was deleted, within the network of the nodes. By its
 * default route a node would send them out of this machine, to whoever has that address there and may well answer. What
 * is carried has the address of an endpoint when it comes to the rule, so the rule is about nothing else.
 *
 * @param serviceSubnet as the definition has it; with two families two, a comma between
 */
export async function keepServicesInside(
  nodes: readonly string[],
  serviceSubnet: string,
  runOnNode: RunOnNode,
): Promise<void> {
  const rules = serviceSubnet.split(',').map((cidr) => {
    const program = cidr.includes(':') ? 'ip6tables' : 'iptables'
    return [program, '-w', '5', '-t', 'mangle', '-A', 'POSTROUTING', '-o', uplink, '-d', cidr, '-j', 'DROP']
  })
  await Promise.all(
    nodes.map(async (node) => {
      for (const rule of rules) await runOnNode(node, rule)
    }),
  )
}

/** The interface of every kind node. */
const uplink = 'eth0'
