import type { Fault, FaultContext, Placement } from './fault.ts'
import { dnsAnswers } from './dns-faults.ts'
import { addressOf } from './node-address.ts'
import { packetFilterFault, type Rule } from './packet-filter.ts'
import { routeRemoved } from './route-fault.ts'
import { runInPodNetwork } from './sandbox.ts'

/** UDP port of each CNI's VXLAN: the old number of Linux, or that of IANA. */
const vxlanPorts: Readonly<Record<string, string>> = { flannel: '8472', cilium: '8472', calico: '4789' }

/** Name of the interface that leads to the pods of a node, as iptables matches it, where it is iptables that they pass. */
const podInterfaces: Readonly<Record<string, string>> = { flannel: 'cni0', calico: 'cali+' }

/** Cilium's programs take packets from pod to pod without asking iptables or the routes of the node. */
export const throughTheKernel = { cnis: Object.keys(podInterfaces) } as const

/** Services whose endpoints are on both workers, or on one of them while both ask. */
const crossingServices: readonly string[] = [
  'service/{cluster-ip,name,node-port}/**',
  'coverage/every-node/cluster-ip',
  'service/{named-target-ports,same-port,without-selector,external-name,spread}',
]

/** Checks that need packets to pods to cross from one worker to the other and back. */
export const acrossWorkers: readonly string[] = [
  'pod-to-pod/cross-node/{tcp,udp,http}{,-ipv6}',
  'coverage/node-pairs/*',
  'pod-to-pod/cross-node/{source-address,large-body,long-datagram,many-connections}',
  'pod-to-pod/cross-node/{icmp,path-mtu,over-mtu,twice-mtu}',
  'pod-to-pod/concurrent',
  // A node reaches a pod of another as a pod does. The answers to pods that ask a node go to the node's address.
  'node/to-pod/other-node/*',
  ...crossingServices,
]

/** Chance decides whether a client that has one endpoint, or asks one DNS server, has it on its own node. */
export const byChanceAcross: readonly string[] = [
  'service/{session-affinity,headless}',
  'egress/api-server/name',
  'dns/{search-path,policy/*}',
]

/** Checks of what DNS servers answer; DNS crosses between the workers only where a CoreDNS pod runs on one of them. */
export const dnsAcrossWorkers = (
  world: Placement,
  answers: readonly string[] = dnsAnswers,
): readonly string[] =>
  world.dns.servers.some(({ node }) =>
    world.nodes
      .filter(({ role }) => role === 'worker')
      .slice(0, 2)
      .some(({ name }) => name === node),
  )
    ? answers
    : []

/** Drops the overlay's packets from one worker to the other, where they arrive. */
export function dropVxlan(
  { world, cni }: FaultContext,
  [from, to]: readonly [string, string],
  which: readonly string[] = [],
): Rule {
  const port = vxlanPorts[cni.name]
  if (port === undefined) throw new Error(`the VXLAN port of ${cni.name} is not known`)
  const match = ['-s', addressOf(world, from), '-p', 'udp', '--dport', port, ...which, '-j', 'DROP']
  return { node: to, table: 'raw', chain: 'PREROUTING', match }
}

const vxlanDropped: Fault = {
  id: 'vxlan-dropped',
  needs: { encapsulation: 'vxlan' },
  breaks: 'The overlay port is dropped between the two workers, both ways.',
  red: (world) => [
    ...acrossWorkers,
    'pod-to-pod/cross-node/delivery-{there,back}',
    ...dnsAcrossWorkers(world),
  ],
  either: byChanceAcross,
  ...packetFilterFault((context) => {
    const [first, second] = context.workers
    return [dropVxlan(context, [first, second]), dropVxlan(context, [second, first])]
  }),
}

const vxlanDroppedOneWay: Fault = {
  id: 'vxlan-dropped-one-way',
  needs: { encapsulation: 'vxlan' },
  breaks: 'The overlay port is dropped from the first worker to the second; the other direction is whole.',
  red: (world) => [...acrossWorkers, 'pod-to-pod/cross-node/delivery-there', ...dnsAcrossWorkers(world)],
  either: byChanceAcross,
  ...packetFilterFault((context) => {
    const [first, second] = context.workers
    return [dropVxlan(context, [first, second])]
  }),
}

const clusterIpDropped: Fault = {
  id: 'cluster-ip-dropped',
  needs: throughTheKernel,
  breaks:
    'The ClusterIP of one Service is dropped in the raw table of both workers, before kube-proxy sees it.',
  red: () => [
    'service/{cluster-ip,name}/*',
    'service/{same-port,spread,external-name}',
    'coverage/every-node/cluster-ip',
  ],
  ...packetFilterFault(({ workers, world }) =>
    workers.map((node) => ({
      node,
      table: 'raw' as const,
      chain: 'PREROUTING',
      match: ['-d', world.services.get('echo')?.ips[0] ?? '', '-j', 'DROP'],
    })),
  ),
}

/** Addresses of the fixture pods of one node. */
export const podsOn = ({ world }: FaultContext, node: string): string[] =>
  world.pods.filter(({ pinnedTo }) => pinnedTo === node).map(({ ip }) => ip)

const podInterfaceOf = ({ cni }: FaultContext): string => podInterfaces[cni.name] ?? ''

type OnANode = Pick<Rule, 'table' | 'chain' | 'match'>

/** A rule for each pod of each worker, which holds for what the pod sends. */
const forEachPod = (
  context: FaultContext,
  rule: (ip: string, neighbours: readonly string[]) => OnANode[],
): Rule[] =>
  context.workers.flatMap((node) => {
    const ips = podsOn(context, node)
    return ips.flatMap((ip) =>
      rule(
        ip,
        ips.filter((each) => each !== ip),
      ).map((each) => ({ node, ...each })),
    )
  })

const masquerade = (match: readonly string[]): OnANode => ({
  table: 'nat',
  chain: 'POSTROUTING',
  match: [...match, '-j', 'MASQUERADE'],
})

function podCidrOf({ world: { podSubnet } }: FaultContext): string {
  if (podSubnet === undefined) throw new Error('the pod CIDR is not declared')
  return podSubnet
}

const podsMasqueraded: Fault = {
  id: 'pods-masqueraded',
  breaks: 'Packets between pods of different nodes get the address of the node (MASQUERADE).',
  needs: throughTheKernel,
  red: () => ['pod-to-pod/cross-node/source-address'],
  ...packetFilterFault((context) =>
    forEachPod(context, (ip) => [
      masquerade(['-s', ip, '-d', podCidrOf(context), '!', '-o', podInterfaceOf(context)]),
    ]),
  ),
}

const neighboursMasqueraded: Fault = {
  id: 'neighbours-masqueraded',
  breaks: 'Packets between pods of one node get another address on their way through the node.',
  needs: throughTheKernel,
  red: () => ['pod-to-pod/same-node/source-address'],
  ...packetFilterFault((context) =>
    forEachPod(context, (ip, neighbours) =>
      neighbours.map((other) => masquerade(['-s', ip, '-d', other, '-o', podInterfaceOf(context)])),
    ),
  ),
}

const neighboursDropped: Fault = {
  id: 'neighbours-dropped',
  breaks: 'Packets between the pods of one node are dropped, on both workers.',
  needs: throughTheKernel,
  red: () => [
    'pod-to-pod/{same-node/*,concurrent}',
    'coverage/node-pairs/*',
    'pod/ports/independent',
    'service/cluster-ip/*',
    'service/{spread,internal-traffic-policy,without-selector,headless}',
  ],
  // A SYN that is dropped here has no entry in conntrack yet: sent again, it is translated anew, and mostly to another
  // endpoint. Only the checks that must see every endpoint are sure to miss one.
  either: [
    'service/{name,node-port}/*',
    'service/{named-target-ports,same-port,external-name,session-affinity}',
    'coverage/every-node/cluster-ip',
  ],
  ...packetFilterFault((context) =>
    forEachPod(context, (ip, neighbours) =>
      neighbours.map((other) => ({
        table: 'filter',
        chain: 'FORWARD',
        match: ['-s', ip, '-d', other, '-j', 'DROP'],
      })),
    ),
  ),
}

/** Drops what comes over IPv6 to a pod, in its own network: whatever carries its packets there. */
async function ipv6ToPods(context: FaultContext, action: '-I' | '-D'): Promise<void> {
  for (const pod of context.world.pods.filter(({ namespace }) => namespace === 'main')) {
    for (const protocol of ['tcp', 'udp'])
      await runInPodNetwork(context, pod, [
        'ip6tables',
        '-w',
        '5',
        action,
        'INPUT',
        '-p',
        protocol,
        '-j',
        'DROP',
      ])
  }
}

const ipv6Dropped: Fault = {
  id: 'ipv6-dropped',
  breaks: 'TCP and UDP over IPv6 are dropped where they arrive in the fixture pods; IPv4 is whole.',
  needs: { feature: { name: 'dual-stack', declared: true } },
  red: () => ['pod-to-pod/*/*-ipv6', 'service/cluster-ip/{tcp,http}-ipv6'],
  // Where a dated deviation lets it fail, it is expected to.
  either: ['service/cluster-ip/udp-ipv6'],
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => ipv6ToPods(context, '-I'),
  vacuous: async () => undefined,
  heal: (context) => ipv6ToPods(context, '-D'),
}

/** Faults of the paths between pods, and from pods to a Service. */
export const pathFaults: readonly Fault[] = [
  vxlanDropped,
  vxlanDroppedOneWay,
  clusterIpDropped,
  podsMasqueraded,
  neighboursMasqueraded,
  neighboursDropped,
  ipv6Dropped,
  routeRemoved({
    needs: throughTheKernel,
    red: (world) => [
      ...acrossWorkers,
      'pod-to-pod/cross-node/delivery-there',
      ...dnsAcrossWorkers(world),
      'cni/other-nodes/known',
    ],
  }),
]
