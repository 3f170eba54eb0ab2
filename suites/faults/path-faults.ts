import type { Fault, FaultContext, Placement } from './fault.ts'
import { dnsAnswers } from './dns-faults.ts'
import { packetFilterFault } from './packet-filter.ts'

/** UDP port of the kernel's VXLAN device that Flannel makes: its documented default for Linux. */
const vxlanPort = '8472'

/** Checks that need packets of pods to cross from one worker to the other and back. */
const acrossWorkers = [
  'pod-to-pod/cross-node/{tcp,udp,http,source-address}',
  'service/cluster-ip/*',
  'service/name/*',
]

/** DNS crosses between the workers only where a CoreDNS pod runs on one of them. */
const dnsAcrossWorkers = (world: Placement): readonly string[] =>
  world.dns.servers.some(({ node }) =>
    world.nodes.some((each) => each.name === node && each.role === 'worker'),
  )
    ? dnsAnswers
    : []

function addressOf(world: Placement, name: string): string {
  const node = world.nodes.find((each) => each.name === name)
  if (node === undefined) throw new Error(`no node ${name}`)
  return node.address
}

/** Drops the overlay's packets from one worker to the other, where they arrive. */
const dropVxlan = ({ world }: FaultContext, from: string, to: string) => ({
  node: to,
  table: 'raw' as const,
  chain: 'PREROUTING',
  match: ['-s', addressOf(world, from), '-p', 'udp', '--dport', vxlanPort, '-j', 'DROP'],
})

const vxlanDropped: Fault = {
  id: 'vxlan-dropped',
  breaks: 'The overlay port is dropped between the two workers, both ways.',
  red: (world) => [
    ...acrossWorkers,
    'pod-to-pod/cross-node/delivery-{there,back}',
    ...dnsAcrossWorkers(world),
  ],
  ...packetFilterFault((context) => {
    const [first, second] = context.workers
    return [dropVxlan(context, first, second), dropVxlan(context, second, first)]
  }),
}

const vxlanDroppedOneWay: Fault = {
  id: 'vxlan-dropped-one-way',
  breaks: 'The overlay port is dropped from the first worker to the second; the other direction is whole.',
  red: (world) => [...acrossWorkers, 'pod-to-pod/cross-node/delivery-there', ...dnsAcrossWorkers(world)],
  ...packetFilterFault((context) => [dropVxlan(context, ...context.workers)]),
}

const clusterIpDropped: Fault = {
  id: 'cluster-ip-dropped',
  breaks:
    'The ClusterIP of one Service is dropped in the raw table of both workers, before kube-proxy sees it.',
  red: () => ['service/cluster-ip/*', 'service/name/*'],
  ...packetFilterFault(({ workers, world }) =>
    workers.map((node) => ({
      node,
      table: 'raw' as const,
      chain: 'PREROUTING',
      match: ['-d', world.clusterIps.echo, '-j', 'DROP'],
    })),
  ),
}

/** The pod CIDR of a node. */
const podCIDROf = ({ world }: FaultContext, node: string): string =>
  world.nodes.find((each) => each.name === node)?.podCIDR ?? world.podSubnet

/** Gives packets from the pods of each worker another address. */
const masqueraded = (match: (context: FaultContext, podCIDR: string) => readonly string[]) =>
  packetFilterFault((context) =>
    context.workers.map((node) => {
      const podCIDR = podCIDROf(context, node)
      const whole = ['-s', podCIDR, ...match(context, podCIDR), '-j', 'MASQUERADE']
      return { node, table: 'nat' as const, chain: 'POSTROUTING', match: whole }
    }),
  )

const podsMasqueraded: Fault = {
  id: 'pods-masqueraded',
  breaks: 'Packets between pods of different nodes get the address of the node (MASQUERADE).',
  red: () => ['pod-to-pod/cross-node/source-address'],
  ...masqueraded(({ world }) => ['-d', world.podSubnet, '!', '-o', 'cni0']),
}

const neighboursMasqueraded: Fault = {
  id: 'neighbours-masqueraded',
  breaks: 'Packets between pods of one node get another address on their way through the bridge.',
  red: () => ['pod-to-pod/same-node/source-address'],
  ...masqueraded((_context, podCIDR) => ['-d', podCIDR, '-o', 'cni0']),
}

const neighboursDropped: Fault = {
  id: 'neighbours-dropped',
  breaks: 'Packets between the pods of one node are dropped, on both workers.',
  // With both clients of a name check affected, 32 connections miss a broken endpoint with probability 1e-4.
  red: (world) => [
    'pod-to-pod/same-node/*',
    'pod/ports/independent',
    'service/cluster-ip/*',
    'service/name/*',
    ...dnsAcrossWorkers(world),
  ],
  ...packetFilterFault((context) =>
    context.workers.map((node) => {
      const podCIDR = podCIDROf(context, node)
      const match = ['-s', podCIDR, '-d', podCIDR, '-j', 'DROP']
      return { node, table: 'filter' as const, chain: 'FORWARD', match }
    }),
  ),
}

/** Faults of the paths between pods, and from pods to a Service. */
export const pathFaults: readonly Fault[] = [
  vxlanDropped,
  vxlanDroppedOneWay,
  clusterIpDropped,
  podsMasqueraded,
  neighboursMasqueraded,
  neighboursDropped,
]
