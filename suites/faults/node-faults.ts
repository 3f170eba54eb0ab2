import { agentPorts, hostPorts } from '../../helpers/agent/protocol.ts'
import type { Fault, FaultContext } from './fault.ts'
import { packetFilterFault, type Rule } from './packet-filter.ts'
import { addressOf } from './node-address.ts'
import { podsOn } from './path-faults.ts'

/** The servers' ports, over TCP and over UDP. */
function toServers({ http, tcp, udp }: { http: number; tcp: number; udp: number }): string[][] {
  return [
    ['-p', 'tcp', '-m', 'multiport', '--dports', `${http},${tcp}`],
    ['-p', 'udp', '--dport', String(udp)],
  ]
}

/** Each worker, with the other one. */
const bothWays = ({ workers: [first, second] }: FaultContext): { node: string; other: string }[] => [
  { node: first, other: second },
  { node: second, other: first },
]

/** Under which address a pod asks another node depends on the CNI: its own, or that of its node. */
const askersOf = (context: FaultContext, node: string): string[] => [
  addressOf(context.world, node),
  ...podsOn(context, node),
]

/**
 * Rules of a node for what comes to its own servers from these addresses. Not in its INPUT chain: Calico puts its own rules
 * back to the head of that one, and they accept what pods send to their node.
 */
const closedTo = ({ world }: FaultContext, node: string, addresses: readonly string[]): Rule[] =>
  addresses.flatMap((ip) =>
    toServers(hostPorts).map((ports) => ({
      node,
      table: 'raw' as const,
      chain: 'PREROUTING',
      match: ['-s', ip, '-d', addressOf(world, node), ...ports, '-j', 'DROP'],
    })),
  )

/** Rules of a node for what its own programs send to these pods. */
const noWayTo = (node: string, addresses: readonly string[]): Rule[] =>
  addresses.flatMap((ip) =>
    toServers(agentPorts).map((ports) => ({
      node,
      table: 'filter' as const,
      chain: 'OUTPUT',
      match: ['-d', ip, ...ports, '-j', 'DROP'],
    })),
  )

const closedToOwnPods: Fault = {
  id: 'node-closed-to-own-pods',
  breaks: 'A firewall on each worker drops what its own pods send to its servers.',
  red: () => ['node/from-pod/own-node/*'],
  ...packetFilterFault((context) =>
    bothWays(context).flatMap(({ node }) => closedTo(context, node, podsOn(context, node))),
  ),
}

const closedToOtherPods: Fault = {
  id: 'node-closed-to-other-pods',
  breaks: 'A firewall on each worker drops what comes to its servers from the other worker and its pods.',
  red: () => ['node/from-pod/other-node/*'],
  ...packetFilterFault((context) =>
    bothWays(context).flatMap(({ node, other }) => closedTo(context, node, askersOf(context, other))),
  ),
}

const podSeenTranslated: Fault = {
  id: 'pod-translated-to-own-node',
  breaks: 'What a pod sends to its own node gets another source address.',
  red: () => ['node/from-pod/own-node/source-address'],
  ...packetFilterFault((context) =>
    bothWays(context).flatMap(({ node }) =>
      podsOn(context, node).flatMap((ip) =>
        toServers(hostPorts).map((ports) => ({
          node,
          table: 'nat' as const,
          chain: 'INPUT',
          // TEST-NET-1 of RFC 5737: nobody's.
          match: ['-s', ip, ...ports, '-j', 'SNAT', '--to-source', '192.0.2.1'],
        })),
      ),
    ),
  ),
}

/** Services lead nodes to the same pods. */
const servicesFromNodes = ['service/{cluster-ip,node-port}/from-node/*']

const ownPodsOutOfReach: Fault = {
  id: 'node-cut-off-from-own-pods',
  breaks: 'What the programs of each worker send to the servers of its own pods is dropped.',
  red: () => ['node/to-pod/own-node/*', ...servicesFromNodes],
  ...packetFilterFault((context) =>
    bothWays(context).flatMap(({ node }) => noWayTo(node, podsOn(context, node))),
  ),
}

const otherPodsOutOfReach: Fault = {
  id: 'node-cut-off-from-other-pods',
  breaks: 'What the programs of each worker send to the servers of pods of the other is dropped.',
  red: () => ['node/to-pod/other-node/*', ...servicesFromNodes],
  ...packetFilterFault((context) =>
    bothWays(context).flatMap(({ node, other }) => noWayTo(node, podsOn(context, other))),
  ),
}

/** Faults between pods and nodes. */
export const nodeFaults: readonly Fault[] = [
  closedToOwnPods,
  closedToOtherPods,
  podSeenTranslated,
  ownPodsOutOfReach,
  otherPodsOutOfReach,
]
