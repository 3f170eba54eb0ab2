import type { Fault, FaultContext } from './fault.ts'
import { packetFilterFault, type Rule } from './packet-filter.ts'
import { addressOf } from './node-address.ts'
import { addressOfPod, type Victim } from './sandbox.ts'

/** The fixture pods that ask in these checks. */
const clients: readonly Victim[] = [
  { node: 'worker1', name: 'worker1-a' },
  { node: 'worker2', name: 'worker2-a' },
]

/**
 * What packets of a pod to the API server look like where they leave it: to its ClusterIP, or, where a network serves
 * Services in place of kube-proxy, already to the control plane that the pod's socket was given.
 */
const toApiServer = ({ world }: FaultContext): string[][] => [
  ['-d', world.apiServer.ip, '-p', 'tcp'],
  ...world.nodes
    .filter(({ role }) => role === 'control-plane')
    .map(({ address }) => ['-d', address, '-p', 'tcp', '--dport', '6443']),
]

/** Rules in the networks of both pods, for all of that. */
const onTheWayToApiServer = (
  context: FaultContext,
  table: Rule['table'],
  target: readonly string[],
): Rule[] =>
  clients.flatMap((pod) =>
    toApiServer(context).map((match) => ({ pod, table, chain: 'OUTPUT', match: [...match, ...target] })),
  )

const apiServerDropped: Fault = {
  id: 'api-server-dropped',
  breaks: 'What two pods send to the API server is dropped.',
  red: () => ['egress/api-server/*'],
  ...packetFilterFault((context) => onTheWayToApiServer(context, 'filter', ['-j', 'DROP'])),
}

/** The kubelet's: it speaks TLS on every node, and is not the API server. */
const impostorPort = 10_250

const impostor = packetFilterFault((context) => {
  const target = `${addressOf(context.world, context.workers[0])}:${impostorPort}`
  return onTheWayToApiServer(context, 'nat', ['-j', 'DNAT', '--to-destination', target])
})

const apiServerImpostor: Fault = {
  id: 'api-server-impostor',
  breaks: 'The ClusterIP of the API server leads two pods to another server that speaks TLS.',
  red: () => ['egress/api-server/*'],
  ...impostor,
  async vacuous(context, outcomes) {
    const seen = outcomes
      .filter(({ check }) => check.startsWith('egress/api-server/'))
      .flatMap(({ observations }) => observations)
      .find(({ verdict }) => verdict !== 'wrong-peer')
    return seen === undefined
      ? impostor.vacuous(context)
      : `called ${seen.verdict} instead of wrong-peer: ${seen.probe}: ${seen.detail}`
  },
}

/** A rule of each worker for what its pod sends to the server outside, but for its answers to that server. */
const onTheWayOut = (
  context: FaultContext,
  table: Rule['table'],
  chain: string,
  target: (node: string) => readonly string[],
): Rule[] =>
  clients.map((client) => {
    const node = context.workers[client.node === 'worker1' ? 0 : 1]
    const ends = ['-s', addressOfPod(context, client), '-d', context.world.outside?.ip ?? '']
    const asking = ['-m', 'conntrack', '--ctdir', 'ORIGINAL']
    return { node, table, chain, match: [...ends, ...asking, ...target(node)] }
  })

const outsideDropped: Fault = {
  id: 'outside-dropped',
  breaks: 'Both workers drop what a pod sends to a server outside the cluster.',
  red: () => ['egress/outside/*'],
  ...packetFilterFault((context) => onTheWayOut(context, 'filter', 'FORWARD', () => ['-j', 'DROP'])),
}

const notMasqueraded: Fault = {
  id: 'egress-not-masqueraded',
  breaks: 'Pods keep their own address on the way out of the cluster, where nobody knows a way back.',
  red: () => ['egress/outside/*'],
  ...packetFilterFault((context) => onTheWayOut(context, 'nat', 'POSTROUTING', () => ['-j', 'ACCEPT'])),
}

/** An address beside that of the node, in the same network, which nobody has. */
const spareOf = (context: FaultContext, node: string): string =>
  addressOf(context.world, node).replace(/\d+$/, node === context.workers[0] ? '250' : '251')

const translated = packetFilterFault((context) =>
  onTheWayOut(context, 'nat', 'POSTROUTING', (node) => ['-j', 'SNAT', '--to-source', spareOf(context, node)]),
)

async function changeSpares(context: FaultContext, action: 'add' | 'del'): Promise<void> {
  for (const node of context.workers)
    await context.runOnNode(node, ['ip', 'addr', action, `${spareOf(context, node)}/32`, 'dev', 'eth0'])
}

const foreignAddress: Fault = {
  id: 'egress-under-foreign-address',
  breaks: 'Pods leave the cluster under an address that is neither theirs nor that of their node.',
  red: () => ['egress/outside/source-address'],
  ...translated,
  async inject(context) {
    await changeSpares(context, 'add')
    await translated.inject(context)
  },
  async heal(context) {
    await translated.heal(context)
    await changeSpares(context, 'del')
  },
}

/** Faults of what leads from pods out of the pod network. */
export const egressFaults: readonly Fault[] = [
  apiServerDropped,
  apiServerImpostor,
  outsideDropped,
  notMasqueraded,
  foreignAddress,
]
