import type { KubernetesObject, V1Pod } from '@kubernetes/client-node'
import { mappedPorts } from '../../helpers/agent/protocol.ts'
import { balancedName } from '../../helpers/fixture-services.ts'
import { watchRunPods } from '../../helpers/run-pods.ts'
import { deletePod } from '../../helpers/steps/own-pods.ts'
import type { Fault, FaultContext } from './fault.ts'
import { fixturesBack } from './fixtures-back.ts'
import { addressOf } from './node-address.ts'
import { packetFilterFault, type Rule } from './packet-filter.ts'

/** What leads from outside the cluster to its pods, and from ports of nodes to them. */

/** Ports of nodes, by the protocol that they are asked over. */
type Ports = Record<'tcp' | 'udp', readonly number[]>

/** What nodes answer from these ports is dropped where it arrives at the server outside: on every CNI and with every proxy. */
const answersDropped = (ports: Ports): Rule[] =>
  (['tcp', 'udp'] as const).map((protocol) => ({
    outside: true,
    table: 'filter',
    chain: 'INPUT',
    match: ['-p', protocol, '-m', 'multiport', '--sports', ports[protocol].join(), '-j', 'DROP'],
  }))

/** Where every node says whether it has an endpoint of a Service. */
function healthPortOf({ world }: FaultContext): number {
  const port = world.services.get(balancedName)?.healthPort
  if (port === undefined) throw new Error(`${balancedName} has no healthCheckNodePort`)
  return port
}

/** Not their whole range: pods whose address is translated on the way out come from ports in it, too. */
function nodePortsOf(context: FaultContext): Ports {
  const all = [...context.world.services.values()].flatMap(({ nodePorts }) => Object.entries(nodePorts))
  const ofUdp = (wanted: boolean): number[] =>
    all.flatMap(([name, port]) => ((name === 'udp') === wanted ? [port] : []))
  return { tcp: [...ofUdp(false), healthPortOf(context)], udp: ofUdp(true) }
}

const nodePortsClosed: Fault = {
  id: 'node-ports-closed-to-outside',
  breaks: 'No answer from a node port comes back to a client outside the cluster.',
  red: () => [
    'service/node-port/from-outside/*',
    'service/external-traffic-policy/**',
    'service/health-check-node-port/from-outside',
  ],
  ...packetFilterFault((context) => answersDropped(nodePortsOf(context))),
}

/** The control plane has no endpoint, and says what a worker says that has: who believes it sends clients to nobody. */
const healthBorrowed: Fault = {
  id: 'health-check-borrowed',
  breaks: 'A node without an endpoint answers a load balancer as one that has some.',
  red: () => ['service/health-check-node-port/*'],
  ...packetFilterFault((context) => {
    const { world, workers } = context
    const port = String(healthPortOf(context))
    return world.nodes
      .filter(({ role }) => role === 'control-plane')
      .flatMap(({ name: node, address }): Rule[] => {
        const other = addressOf(world, workers[0])
        const to = (where: string): string[] => ['-d', where, '-p', 'tcp', '--dport', port]
        return [
          {
            node,
            table: 'nat',
            chain: 'PREROUTING',
            match: [...to(address), '-j', 'DNAT', '--to-destination', other],
          },
          { node, table: 'nat', chain: 'POSTROUTING', match: [...to(other), '-j', 'MASQUERADE'] },
        ]
      })
  }),
}

const mapped = { feature: { name: 'host-port', declared: true } } as const

const hostPortsClosed: Fault = {
  id: 'host-ports-closed-to-outside',
  breaks: 'No answer from a host port comes back to a client outside the cluster.',
  needs: mapped,
  red: () => ['node/host-port/from-outside/*'],
  ...packetFilterFault(() =>
    answersDropped({ tcp: [mappedPorts.http, mappedPorts.tcp], udp: [mappedPorts.udp] }),
  ),
}

/** A pod without the class that the client gives it. */
type PlainPod = Pick<V1Pod, keyof V1Pod>

const isPod = (object: KubernetesObject): object is V1Pod => object.kind === 'Pod'

const portsOf = (pod: PlainPod) => pod.spec?.containers.flatMap(({ ports = [] }) => ports) ?? []

const hasHostPort = (pod: PlainPod): boolean => portsOf(pod).some(({ hostPort }) => hostPort !== undefined)

/** The same pod with no port of its node. */
function unmapped(pod: PlainPod): PlainPod {
  const copy = structuredClone(pod)
  for (const port of portsOf(copy)) delete port.hostPort
  return copy
}

/** Makes the pods with host ports anew, each as `as` has it. */
async function remake(context: FaultContext, as: (pod: PlainPod) => PlainPod): Promise<void> {
  const { kube, fixtures, world } = context
  using pods = await watchRunPods(kube)
  await Promise.all(world.portPods.map((pod) => deletePod(kube, pods, pod, world.namespaces.host)))
  await kube.apply(fixtures.filter(isPod).filter(hasHostPort).map(as))
  await fixturesBack(context)
}

const hostPortsGone: Fault = {
  id: 'host-ports-not-mapped',
  breaks: 'Nothing leads from the host ports of the nodes to the pods that have them.',
  needs: mapped,
  red: () => ['node/host-port/**'],
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => remake(context, unmapped),
  async vacuous({ kube, world }) {
    const { items } = await kube.core.listNamespacedPod({ namespace: world.namespaces.host })
    const [pod] = items.filter(hasHostPort)
    return pod === undefined ? undefined : `${pod.metadata?.name} has host ports`
  },
  heal: (context) => remake(context, (pod) => pod),
}

/** Faults on the way from outside into the cluster. */
export const entryFaults: readonly Fault[] = [nodePortsClosed, healthBorrowed, hostPortsClosed, hostPortsGone]
