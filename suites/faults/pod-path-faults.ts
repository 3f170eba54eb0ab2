import { agentPorts } from '../../helpers/agent/protocol.ts'
import type { Fault, FaultContext } from './fault.ts'
import { packetFilterFault, type Rule } from './packet-filter.ts'
import { throughTheKernel } from './path-faults.ts'
import { oversizeLetOut, routesNarrowed } from './route-fault.ts'
import { addressOfPod, runInPodNetwork, type Victim } from './sandbox.ts'

/** Faults of what a path between pods carries beside small packets, each in the network of a pod but where said. */

const victim: Victim = { node: 'worker2', name: 'worker2-a' }
const neighbour: Victim = { node: 'worker2', name: 'worker2-b' }
const stranger: Victim = { node: 'worker1', name: 'worker1-a' }

const into = (pod: Victim, match: readonly string[]): Rule => ({
  pod,
  table: 'filter',
  chain: 'INPUT',
  match: [...match, '-j', 'DROP'],
})

const echoRequestsDropped = (where: 'same' | 'other', from: Victim): Fault => ({
  id: `echo-requests-dropped-from-${where}-node`,
  breaks: `A pod gets no ICMP echo requests from a pod of ${where === 'same' ? 'its own' : 'the other'} node.`,
  red: () => [`pod-to-pod/${where === 'same' ? 'same' : 'cross'}-node/icmp`],
  needs: { feature: { name: 'icmp', declared: true } },
  ...packetFilterFault((context) => [
    into(victim, ['-s', addressOfPod(context, from), '-p', 'icmp', '--icmp-type', 'echo-request']),
  ]),
})

const setSysctl = async (context: FaultContext, pod: Victim, name: string, value: string): Promise<void> => {
  await runInPodNetwork(context, pod, ['sysctl', '-q', '-w', `${name}=${value}`])
}

const readSysctl = async (context: FaultContext, pod: Victim, name: string): Promise<string> =>
  (await runInPodNetwork(context, pod, ['sysctl', '-n', name])).trim()

/** The lower one first: it may not be above the other. */
const piecesKept = ['net.ipv4.ipfrag_low_thresh', 'net.ipv4.ipfrag_high_thresh'] as const

/** Values of the kernel, put back when the fault is mended. */
function sysctls(): {
  take(context: FaultContext, pod: Victim, names: readonly string[], value: string): Promise<void>
  give(context: FaultContext): Promise<void>
} {
  let whole: { pod: Victim; name: string; value: string }[] = []
  return {
    async take(context, pod, names, value) {
      for (const name of names) {
        whole.push({ pod, name, value: await readSysctl(context, pod, name) })
        await setSysctl(context, pod, name, value)
      }
    },
    async give(context) {
      for (const { pod, name, value } of whole.toReversed()) await setSysctl(context, pod, name, value)
      whole = []
    },
  }
}

function piecesLost(): Fault {
  const values = sysctls()
  return {
    id: 'pieces-lost',
    breaks: 'A pod has no room for the pieces of long datagrams, so none is put together.',
    // With Cilium the interface has a larger MTU than its route, so that also these travel in pieces.
    red: ({ cni }) => ['pod-to-pod/*/twice-mtu', ...(cni === 'cilium' ? ['pod-to-pod/*/long-datagram'] : [])],
    outcome: 'failed',
    when: 'before-run',
    inject: (context) => values.take(context, victim, piecesKept, '0'),
    async vacuous(context) {
      const seen = await readSysctl(context, victim, piecesKept[1])
      return seen === '0' ? undefined : `it has room for ${seen} bytes`
    },
    heal: (context) => values.give(context),
  }
}

/** Seconds that a connection may be silent, far below what the checks ask for. */
const forgottenSeconds = '3'
const forgottenAfter = 'net.netfilter.nf_conntrack_tcp_timeout_established'

function idleForgotten(): Fault {
  const values = sysctls()
  /** A packet of a connection that nobody knows (any more) begins none. */
  const unknown = ['-p', 'tcp', '!', '--syn', '-m', 'conntrack', '--ctstate', 'NEW']
  const servers = ({ world }: FaultContext): Victim[] =>
    world.pods.filter(({ namespace }) => namespace === 'main')
  const dropped = packetFilterFault((context) => servers(context).map((pod) => into(pod, unknown)))
  const checks = ['pod-to-pod/cross-node/idle-connection', 'service/idle-connection']
  return {
    id: 'idle-connections-forgotten',
    breaks: `The packet filters of the pods forget a connection that was silent for ${forgottenSeconds} s, and drop what still comes of it.`,
    red: () => checks,
    stepped: checks,
    ...dropped,
    async inject(context) {
      await dropped.inject(context)
      for (const pod of servers(context)) await values.take(context, pod, [forgottenAfter], forgottenSeconds)
    },
    async heal(context) {
      await values.give(context)
      await dropped.heal(context)
    },
  }
}

/** More than other checks open between these two pods in a few seconds, and fewer than all at once. */
const crowd = '-m hashlimit --hashlimit-above 1/sec --hashlimit-burst 40 --hashlimit-name crowd'.split(' ')
const newConnections = ['-p', 'tcp', '--syn', '--dport', String(agentPorts.tcp)]

const crowdRefused: Fault = {
  id: 'crowd-cut-short',
  breaks: 'A pod gets no more than 40 new connections at once from its neighbour.',
  red: () => ['pod-to-pod/concurrent'],
  ...packetFilterFault((context) => [
    into(victim, ['-s', addressOfPod(context, neighbour), ...newConnections, ...crowd]),
  ]),
}

export const podPathFaults: readonly Fault[] = [
  echoRequestsDropped('same', neighbour),
  echoRequestsDropped('other', stranger),
  piecesLost(),
  routesNarrowed({ needs: throughTheKernel }),
  oversizeLetOut(),
  idleForgotten(),
  crowdRefused,
]
