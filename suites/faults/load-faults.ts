import type { Fault } from './fault.ts'
import { packetFilterFault } from './packet-filter.ts'
import { dnsAcrossWorkers, dropVxlan } from './path-faults.ts'
import { addressOfPod, type Victim } from './sandbox.ts'

/** As a router with a smaller MTU does that sends no word of it. The outer packet is 50 bytes longer than that of the pod. */
const long = ['-m', 'length', '--length', '1200:65535']

const longPacketsDropped: Fault = {
  id: 'long-packets-dropped',
  needs: { encapsulation: 'vxlan' },
  breaks: 'Packets of the overlay that are longer than 1,200 bytes are dropped between the two workers.',
  red: (world) => [
    'pod-to-pod/cross-node/{large-body,long-datagram,path-mtu,over-mtu,twice-mtu}',
    ...dnsAcrossWorkers(world, ['dns/*/large-tcp']),
  ],
  ...packetFilterFault((context) => {
    const [first, second] = context.workers
    return [dropVxlan(context, [first, second], long), dropVxlan(context, [second, first], long)]
  }),
}

const asking: Victim = { node: 'worker1', name: 'worker1-a' }

const neighboursLongPacketsDropped: Fault = {
  id: 'neighbours-long-packets-dropped',
  breaks: 'Packets from one pod to another of its node are dropped when they are longer than 1,200 bytes.',
  red: () => ['pod-to-pod/same-node/{large-body,long-datagram,path-mtu,over-mtu,twice-mtu}'],
  ...packetFilterFault((context) => [
    {
      pod: { node: 'worker1', name: 'worker1-b' },
      table: 'filter',
      chain: 'INPUT',
      match: ['-s', addressOfPod(context, asking), ...long, '-j', 'DROP'],
    },
  ]),
}

/** Far above what other checks open between these two pods, and far below a crowd, also with every SYN sent again. */
const limited = '--hashlimit-above 20/sec --hashlimit-burst 200 --hashlimit-name fault'.split(' ')

const connectionsLimited: Fault = {
  id: 'connections-limited',
  breaks: 'One pod gets no more than 200 new connections at once from another node, as behind a SYN limit.',
  // The same pod opens a crowd's share here, too, and is not let through with it.
  red: () => ['pod-to-pod/cross-node/many-connections', 'pod-to-pod/concurrent'],
  // A quarter of its connections come from that pod to this one, beside the many.
  either: ['service/spread'],
  ...packetFilterFault((context) => {
    const syn = ['-s', addressOfPod(context, asking), '-p', 'tcp', '--syn']
    return [
      {
        pod: { node: 'worker2', name: 'worker2-a' },
        table: 'filter',
        chain: 'INPUT',
        match: [...syn, '-m', 'hashlimit', ...limited, '-j', 'DROP'],
      },
    ]
  }),
}

/** Faults that a few small packets do not feel. */
export const loadFaults: readonly Fault[] = [
  longPacketsDropped,
  neighboursLongPacketsDropped,
  connectionsLimited,
]
