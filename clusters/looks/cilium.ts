import { z } from 'zod'
import type { Kube } from '../../helpers/kube.ts'
import {
  attempt,
  type CniLook,
  type ListedEndpoint,
  type LookContext,
  type NodeLook,
  type Trace,
  type TracedPod,
} from '../../helpers/looks/network-look.ts'
import { interfaceTraces, linksIn, showLinks, type Link } from '../../helpers/looks/node-facts.ts'
import { inContainer, outputOf, runEach, type Said } from '../../helpers/nodes.ts'
import type { WorldNode } from '../../helpers/world.ts'
import { routesIn, showRoutes, type Route } from '../node-network.ts'
import { curl, healthIn, othersOf } from './common.ts'

const container = 'cilium-agent'

/** The name that Cilium gives to its VXLAN. */
const tunnel = 'cilium_vxlan'

/** Asks the agent through its socket, which lies on the node: https://docs.cilium.io/en/v1.19/api/ */
const askAgent = (path: string): readonly string[] =>
  curl(`http://localhost/v1/${path}`, '--unix-socket', '/var/run/cilium/cilium.sock')

const inAgent = (...argv: string[]): readonly string[] => inContainer(container, argv)

/** Prints the file that the agent runs from: an upgrade in place changes it. Asking the program for its version takes a second. */
const showProgram: readonly string[] = [
  'bash',
  '-c',
  'pid=$(pgrep -o -x cilium-agent) && readlink "/proc/$pid/exe"',
]

/** The agent's status, as far as it is read here. */
const statusSchema = z.object({
  /** "1.19.4 (v1.19.4-95e477fd)" */
  cilium: z.object({ state: z.string(), msg: z.string() }),
  routing: z.object({ 'inter-host-routing-mode': z.string(), 'tunnel-protocol': z.string().optional() }),
  'kube-proxy-replacement': z.object({ mode: z.string() }),
  ipam: z.object({
    /** Address -> whose it is: `namespace/pod`, or a word such as `router`. */
    allocations: z.record(z.string(), z.string()).default({}),
  }),
})

type Status = z.output<typeof statusSchema>

const statusIn = (said: Said): Status => statusSchema.parse(JSON.parse(outputOf(said)))

const endpointsSchema = z.array(
  z.object({
    id: z.number(),
    status: z.object({
      'external-identifiers': z
        .object({ 'k8s-namespace': z.string().optional(), 'k8s-pod-name': z.string().optional() })
        .default({}),
      networking: z
        .object({
          addressing: z
            .array(z.object({ ipv4: z.string().optional(), ipv6: z.string().optional() }))
            .default([]),
        })
        .default({ addressing: [] }),
      state: z.string(),
    }),
  }),
)

interface Endpoint {
  id: number
  pod: string
  addresses: string[]
  state: string
}

function endpointsIn(said: Said): Endpoint[] {
  return endpointsSchema.parse(JSON.parse(outputOf(said))).flatMap(({ id, status }) => {
    const { 'k8s-namespace': namespace, 'k8s-pod-name': name } = status['external-identifiers']
    if (name === undefined) return []
    const addresses = status.networking.addressing.flatMap(({ ipv4, ipv6 }) =>
      [ipv4 ?? [], ipv6 ?? []].flat(),
    )
    return [{ id, pod: `${namespace}/${name}`, addresses, state: status.state }]
  })
}

/** Of the data plane: address of a pod of this node -> what is known of it. */
const localSchema = z.record(z.string(), z.unknown())
const showLocal = inAgent('cilium-dbg', 'bpf', 'endpoint', 'list', '--output', 'json')
const localIn = (said: Said): string[] =>
  Object.keys(localSchema.parse(JSON.parse(outputOf(said)))).map((key) => key.replace(/:0$/, ''))

/** Names of the CiliumEndpoints that belong to a pod of this uid. */
async function endpointObjects(kube: Kube, uid: string): Promise<string[]> {
  const objects = await kube.list('cilium.io/v2', 'CiliumEndpoint')
  return objects
    .filter(({ metadata }) => metadata?.ownerReferences?.some((owner) => owner.uid === uid) === true)
    .map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`)
}

async function traces({ runOnNode, kube }: LookContext, pod: TracedPod): Promise<Trace[]> {
  const fullName = `${pod.namespace}/${pod.name}`
  const [said, objects] = await Promise.all([
    runEach(runOnNode, pod.node, {
      links: showLinks,
      endpoints: askAgent('endpoint'),
      status: askAgent('healthz'),
      local: showLocal,
    }),
    endpointObjects(kube, pod.uid),
  ])
  const { ipam } = statusIn(said.status)
  const owner = ipam.allocations[pod.ip]
  const endpoint = (name: string): Trace => ({ kind: 'endpoint', name })
  const listed = endpointsIn(said.endpoints)
  return [
    ...interfaceTraces(linksIn(said.links), pod),
    ...listed
      .filter((each) => each.pod === fullName && each.addresses.includes(pod.ip))
      .map(({ id }) => endpoint(`endpoint ${id} of the agent`)),
    ...objects.map((name) => endpoint(`CiliumEndpoint ${name}`)),
    ...localIn(said.local)
      .filter(
        (ip) => ip === pod.ip && !listed.some((each) => each.pod !== fullName && each.addresses.includes(ip)),
      )
      .map((ip) => endpoint(`${ip} in the eBPF map of endpoints`)),
    ...(owner === fullName || owner === pod.name
      ? [{ kind: 'address' as const, name: `${pod.ip} given to ${owner} by the agent's IPAM` }]
      : []),
  ]
}

const nodesSchema = z.object({ 'nodes-added': z.array(z.object({ name: z.string() })) })

/** Range -> ["identity=2 encryptkey=0 tunnelendpoint=172.18.0.3 flags=<none>"] */
const ipcacheSchema = z.record(z.string(), z.array(z.string()))

interface Shown {
  /** Names of the nodes that the agent knows. */
  known: readonly string[]
  routes: readonly Route[]
  links: readonly Link[]
  ipcache: z.output<typeof ipcacheSchema>
  ranges: ReadonlyMap<string, readonly string[]>
}

function shownBy(
  said: Record<'nodes' | 'routes' | 'links' | 'ipcache', Said>,
  ranges: Shown['ranges'],
): Shown {
  const { 'nodes-added': nodes } = nodesSchema.parse(JSON.parse(outputOf(said.nodes)))
  return {
    // "kind-worker", or "<cluster>/kind-worker".
    known: nodes.map(({ name }) => name.slice(name.lastIndexOf('/') + 1)),
    routes: routesIn(outputOf(said.routes)),
    links: linksIn(said.links),
    ipcache: ipcacheSchema.parse(JSON.parse(outputOf(said.ipcache))),
    ranges,
  }
}

/** What is wrong with the interface that wraps packets. */
function tunnelProblem(links: readonly Link[]): string | undefined {
  const link = links.find(({ ifname }) => ifname === tunnel)
  if (link === undefined) return `there is no interface ${tunnel}`
  return link.flags.includes('UP') ? undefined : `${tunnel} is down`
}

function missingOf(other: WorldNode, { known, routes, links, ipcache, ranges }: Shown): string[] {
  const missing = known.includes(other.name) ? [] : [`${other.name} is not on the agent's list of nodes`]
  const problem = tunnelProblem(links)
  if (problem !== undefined) missing.push(problem)
  const own = ranges.get(other.name) ?? []
  if (own.length === 0) missing.push(`CiliumNode ${other.name} has no range`)
  for (const range of own) {
    // The routes of the other family are in another table.
    if (!range.includes(':') && !routes.some(({ dst }) => dst === range))
      missing.push(`no route to ${range} of ${other.name}`)
    const entry = ipcache[range]?.join(' ')
    const end = /tunnelendpoint=(\S+)/.exec(entry ?? '')?.[1]
    if (entry === undefined) missing.push(`no ipcache entry for ${range} of ${other.name} (${other.address})`)
    else if (end !== other.address)
      missing.push(`the ipcache leads ${range} of ${other.name} to ${end}, not to ${other.address}`)
  }
  return missing
}

const ciliumNodesSchema = z.array(
  z.object({
    metadata: z.object({ name: z.string() }),
    spec: z.object({ ipam: z.object({ podCIDRs: z.array(z.string()).default([]) }).optional() }),
  }),
)

/** The ranges that each node gives addresses from. */
async function readRanges({ kube }: LookContext): Promise<Shown['ranges']> {
  const nodes = ciliumNodesSchema.parse(await kube.list('cilium.io/v2', 'CiliumNode'))
  return new Map(nodes.map(({ metadata, spec }) => [metadata.name, spec.ipam?.podCIDRs ?? []]))
}

/** An endpoint of the agent, and whether the data plane and IPAM have it as well. */
function withProblems(endpoint: Endpoint, local: readonly string[], held: readonly string[]): ListedEndpoint {
  const { pod, addresses, state } = endpoint
  const problems = [
    state === 'ready' ? [] : `the agent calls it ${state}`,
    ...addresses.map((ip) => (local.includes(ip) ? [] : `${ip} is not in the eBPF map of endpoints`)),
    ...addresses.map((ip) => (held.includes(ip) ? [] : `the agent's IPAM does not hold ${ip}`)),
  ].flat()
  return { pod, addresses, ...(problems.length === 0 ? {} : { problem: problems.join(', ') }) }
}

/** The version that the agent says it has, and which file it runs from, when that is no longer its program. */
function version(says: string, file: string): string {
  const runs = /\d+\.\d+\.\d+/.exec(says)?.[0] ?? says
  return file.endsWith('/cilium-agent')
    ? `v${runs}`
    : `v${runs}, but its program was replaced: it runs from ${file}`
}

/** How packets are wrapped, by what the agent says; without its interface nothing is. */
function encapsulation({ routing }: Status, links: readonly Link[]): string {
  if (routing['inter-host-routing-mode'] !== 'Tunnel') return 'none'
  const says = routing['tunnel-protocol'] ?? 'unknown'
  const problem = tunnelProblem(links)
  return problem === undefined ? says : `${says}, says the agent, but ${problem}`
}

async function node(at: LookContext, self: WorldNode): Promise<NodeLook> {
  const [said, ranges] = await Promise.all([
    runEach(at.runOnNode, self.name, {
      status: askAgent('healthz'),
      endpoints: askAgent('endpoint'),
      nodes: askAgent('cluster/nodes'),
      program: showProgram,
      ipcache: inAgent('cilium-dbg', 'bpf', 'ipcache', 'list', '--output', 'json'),
      local: showLocal,
      links: showLinks,
      routes: showRoutes,
    }),
    readRanges(at),
  ])
  const status = attempt(() => statusIn(said.status))
  return {
    health: 'value' in status ? { value: healthOf(status.value) } : unwell(said.status, status),
    version: attempt(() => version(statusIn(said.status).cilium.msg, outputOf(said.program).trim())),
    encapsulation: attempt(() => encapsulation(statusIn(said.status), linksIn(said.links))),
    servesServices: attempt(() =>
      statusIn(said.status)['kube-proxy-replacement'].mode === 'True' ? 'Cilium serves Services' : undefined,
    ),
    others: attempt(() => {
      const shown = shownBy(said, ranges)
      return othersOf(at, self, (other) => missingOf(other, shown))
    }),
    endpoints: attempt(() => {
      const held = Object.keys(statusIn(said.status).ipam.allocations)
      const local = localIn(said.local)
      return endpointsIn(said.endpoints).map((each) => withProblems(each, local, held))
    }),
    ranges: { value: ranges.get(self.name) ?? [] },
  }
}

/** An answer that can't be understood says nothing; none at all says enough. */
const unwell = (said: Said, status: { unread: string }): NodeLook['health'] =>
  said.exitCode === 0 ? status : healthIn(said)

const healthOf = ({ cilium: { state, msg } }: Status): { ok: boolean; says: string } => ({
  ok: state === 'Ok',
  says: `${state}: ${msg}`,
})

/** How Cilium is looked at. */
export const look: CniLook = {
  workloads: [
    { kind: 'DaemonSet', namespace: 'kube-system', name: 'cilium' },
    { kind: 'Deployment', namespace: 'kube-system', name: 'cilium-operator' },
  ],
  node,
  traces,
}
