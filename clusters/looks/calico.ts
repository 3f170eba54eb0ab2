import type { V1Pod } from '@kubernetes/client-node'
import { Address4 } from 'ip-address'
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
import {
  interfaceTraces,
  linksIn,
  routeTraces,
  showLinks,
  showRoutesTo,
  type Link,
} from '../../helpers/looks/node-facts.ts'
import { inContainer, outputOf, runEach, type Said } from '../../helpers/nodes.ts'
import type { WorldNode } from '../../helpers/world.ts'
import { encapsulationOf, pathsIn, routesIn, showRoutes, type Route } from '../node-network.ts'
import {
  curl,
  healthIn,
  missingInTunnel,
  othersOf,
  showFdb,
  showNeighbours,
  withoutPrefix,
} from './common.ts'

const apiVersion = 'crd.projectcalico.org/v1'

/** The name that Calico gives to its VXLAN. */
const tunnel = 'vxlan.calico'

/** Prints every chain of the filter table that Felix writes: with nft where its own chain is found there, else with legacy. */
const showChains: readonly string[] = [
  'bash',
  '-c',
  'if iptables-nft -w 5 -S cali-FORWARD >/dev/null 2>&1; then exec iptables-nft -w 5 -S; else exec iptables-legacy -w 5 -S; fi',
]

/** Asks BIRD's socket on the node for its BGP sessions; BIRD hangs up on a client that says it has no more to ask. */
const sessionsScript = `
pgrep -x bird >/dev/null || exit 0
told=$(echo 'show protocols' | socat -t 1 - UNIX-CONNECT:/var/run/calico/bird.ctl,shut-none)
case $told in *ready*) echo "$told" ;; *) echo 'BIRD does not answer' >&2; exit 1 ;; esac`

/** Prints the BGP sessions of a node; nothing where no BIRD runs. */
const showSessions: readonly string[] = ['bash', '-c', sessionsScript]

/** Names of the chains in the output of {@link showChains}. */
const chainsIn = (said: Said): string[] =>
  outputOf(said)
    .split('\n')
    .flatMap((line) => /^-N (cali-\S+)/.exec(line)?.[1] ?? [])

const blocksSchema = z.array(
  z.object({
    spec: z.object({
      cidr: z.string(),
      /** `host:<node>` */
      affinity: z.string().optional(),
      /** For each address of the block, in order, the index of what is known of it. */
      allocations: z.array(z.number().nullable()),
      attributes: z.array(z.object({ secondary: z.record(z.string(), z.string()).optional() })),
    }),
  }),
)

/** An address that is given away. */
interface Allocation {
  block: string
  ip: string
  /** `namespace/name`, where it is a pod's. */
  pod: string | undefined
}

type Block = z.output<typeof blocksSchema>[number]

async function readBlocks(kube: Kube): Promise<Block[]> {
  return blocksSchema.parse(await kube.list(apiVersion, 'IPAMBlock'))
}

function allocationsIn(blocks: readonly Block[]): Allocation[] {
  return blocks.flatMap(({ spec: { cidr, allocations, attributes } }) => {
    const first = new Address4(cidr).startAddress().bigInt()
    return allocations.flatMap((attribute, ordinal): Allocation[] => {
      if (attribute === null) return []
      const { namespace, pod } = attributes[attribute]?.secondary ?? {}
      const ip = Address4.fromBigInt(first + BigInt(ordinal)).correctForm()
      return [{ block: cidr, ip, pod: pod === undefined ? undefined : `${namespace}/${pod}` }]
    })
  })
}

async function traces({ runOnNode, kube }: LookContext, pod: TracedPod): Promise<Trace[]> {
  const [said, blocks] = await Promise.all([
    runEach(runOnNode, pod.node, {
      links: showLinks,
      routes: showRoutesTo(pod.ip),
      chains: showChains,
    }),
    readBlocks(kube),
  ])
  const { hostInterface } = pod
  const own =
    hostInterface === undefined ? [] : ['tw', 'fw'].map((way) => `cali-${way}-${hostInterface.name}`)
  return [
    ...interfaceTraces(linksIn(said.links), pod),
    ...routeTraces(said.routes),
    ...chainsIn(said.chains)
      .filter((chain) => own.includes(chain))
      .map((chain): Trace => ({ kind: 'endpoint', name: `Felix's chain ${chain}` })),
    ...allocationsIn(blocks)
      // Its address may be another pod's by now.
      .filter((each) => each.ip === pod.ip && [`${pod.namespace}/${pod.name}`, undefined].includes(each.pod))
      .map(({ block, ip }): Trace => ({ kind: 'address', name: `${ip} in IPAMBlock ${block}` })),
  ]
}

const poolsSchema = z.array(
  z.object({
    metadata: z.object({ name: z.string() }),
    spec: z.object({
      cidr: z.string(),
      vxlanMode: z.string().default('Never'),
      ipipMode: z.string().default('Never'),
      disabled: z.boolean().default(false),
    }),
  }),
)
type Pool = z.output<typeof poolsSchema>[number]

/** The objects in which Calico keeps what its nodes agree on. */
interface Agreed {
  pools: readonly Pool[]
  blocks: readonly Block[]
  /** Annotations by node. */
  notes: ReadonlyMap<string, Readonly<Record<string, string>>>
  /** The pods of the node that is looked at; Calico keeps their workload endpoints in their annotations. */
  pods: readonly V1Pod[]
}

async function readAgreed({ kube }: LookContext, node: WorldNode): Promise<Agreed> {
  const [pools, blocks, nodes, pods] = await Promise.all([
    kube.list(apiVersion, 'IPPool'),
    readBlocks(kube),
    kube.core.listNode(),
    kube.core.listPodForAllNamespaces({ fieldSelector: `spec.nodeName=${node.name}` }),
  ])
  return {
    pools: poolsSchema.parse(pools),
    blocks,
    notes: new Map(nodes.items.map(({ metadata }) => [metadata?.name ?? '', metadata?.annotations ?? {}])),
    pods: pods.items,
  }
}

/** The mode of a pool, as a definition calls it. */
const modeOf = ({ spec: { vxlanMode, ipipMode } }: Pool): string =>
  vxlanMode === 'Never' ? (ipipMode === 'Never' ? 'none' : 'ipip') : 'vxlan'

/** How this node wraps packets, and what the pools say when they say otherwise. */
function encapsulation(here: string, podSubnet: string, pools: readonly Pool[]): string {
  const pool = pools.find(({ spec }) => spec.cidr === podSubnet && !spec.disabled)
  if (pool === undefined) return `${here}, but no enabled IPPool is ${podSubnet}`
  const mode = modeOf(pool)
  return mode === here ? here : `${here}, but IPPool ${pool.metadata.name} says ${mode}`
}

/** The ranges that a node gives addresses from. */
const blocksOf = (node: string, blocks: readonly Block[]): string[] =>
  blocks.filter(({ spec }) => spec.affinity === `host:${node}`).map(({ spec }) => spec.cidr)

interface Shown extends Agreed {
  routes: readonly Route[]
  links: readonly Link[]
  fdb: Said
  neighbours: Said
  sessions: Said
}

function missingOf(other: WorldNode, shown: Shown): string[] {
  const notes = shown.notes.get(other.name) ?? {}
  const ranges = blocksOf(other.name, shown.blocks)
  const vxlan = shown.pools.some((pool) => modeOf(pool) === 'vxlan')
  const device = vxlan ? tunnel : undefined
  const missing = ranges.length === 0 ? [`no IPAMBlock has an affinity to ${other.name}`] : []
  for (const range of ranges) {
    const route = shown.routes.find(({ dst }) => dst === range)
    if (route === undefined) missing.push(`no route to ${range} of ${other.name}`)
    else if (device !== undefined && route.dev !== device)
      missing.push(`the route to ${range} of ${other.name} leads through ${route.dev}, not ${device}`)
    else if (device === undefined && route.gateway !== other.address)
      missing.push(`the route to ${range} of ${other.name} leads to ${route.gateway}, not ${other.address}`)
  }
  return [...missing, ...(vxlan ? missingTunnel(other, notes, shown) : missingSession(other, shown))]
}

function missingTunnel(other: WorldNode, notes: Readonly<Record<string, string>>, shown: Shown): string[] {
  const inside = notes['projectcalico.org/IPv4VXLANTunnelAddr']
  if (inside === undefined) return [`${other.name} has no tunnel address: calico-node has not told one`]
  const link = shown.links.find(({ ifname }) => ifname === tunnel)
  if (link === undefined) return [`there is no interface ${tunnel}`]
  const down = link.flags.includes('UP') ? [] : [`${tunnel} is down`]
  return [...down, ...missingInTunnel(tunnel, other, { inside }, shown)]
}

/** Lines of `show protocols`: Mesh_172_18_0_3 BGP master up 12:00:00 Established; the first has a number before it. */
function missingSession(other: WorldNode, { sessions }: Shown): string[] {
  const suffix = `_${other.address.replaceAll('.', '_')}`
  const line = outputOf(sessions)
    .split('\n')
    .map((each) => each.trim().split(/\s+/))
    .find(([name, protocol]) => protocol === 'BGP' && name?.endsWith(suffix) === true)
  if (line === undefined) return [`no BGP session with ${other.name} (${other.address})`]
  return line.includes('Established')
    ? []
    : [`the BGP session with ${other.name} (${other.address}) is ${line.slice(3).join(' ')}`]
}

/** A workload endpoint, what Felix has made of it on the node, and what IPAM holds. */
function endpoints(shown: Shown, chains: readonly string[]): ListedEndpoint[] {
  const held = allocationsIn(shown.blocks)
  return shown.pods.flatMap(({ metadata, spec, status }): ListedEndpoint[] => {
    const note = metadata?.annotations?.['cni.projectcalico.org/podIP']
    if (spec?.hostNetwork === true || status?.phase !== 'Running') return []
    if (note === undefined || note === '') return []
    const address = withoutPrefix(note)
    const device = shown.routes.find(({ dst }) => dst === address)?.dev
    const chain = `cali-tw-${device}`
    const pod = `${metadata?.namespace}/${metadata?.name}`
    const problems = [
      device === undefined ? `Felix has no route to ${address}` : [],
      device === undefined || chains.includes(chain) ? [] : `Felix has no chain ${chain}`,
      held.some((each) => each.ip === address && each.pod === pod)
        ? []
        : `no IPAMBlock holds ${address} for it`,
    ].flat()
    return [{ pod, addresses: [address], ...(problems.length === 0 ? {} : { problem: problems.join(', ') }) }]
  })
}

async function node(at: LookContext, self: WorldNode): Promise<NodeLook> {
  const [said, agreed] = await Promise.all([
    runEach(at.runOnNode, self.name, {
      health: curl('http://127.0.0.1:9099/readiness'),
      version: inContainer('calico-node', ['calico-node', '-v']),
      sessions: showSessions,
      links: showLinks,
      routes: showRoutes,
      fdb: showFdb(tunnel),
      neighbours: showNeighbours(tunnel),
      chains: showChains,
    }),
    readAgreed(at, self),
  ])
  const shown = (): Shown => ({
    ...said,
    ...agreed,
    links: linksIn(said.links),
    routes: routesIn(outputOf(said.routes)),
  })
  return {
    health: healthIn(said.health),
    version: attempt(() => outputOf(said.version).trim()),
    encapsulation: attempt(() => {
      const { routes, links, pools } = shown()
      const here = encapsulationOf(pathsIn(routes, links, at.podSubnet), 'none')
      return encapsulation(here, at.podSubnet, pools)
    }),
    servesServices: { value: undefined },
    others: attempt(() => {
      const all = shown()
      return othersOf(at, self, (other) => missingOf(other, all))
    }),
    endpoints: attempt(() => endpoints(shown(), chainsIn(said.chains))),
    ranges: { value: blocksOf(self.name, agreed.blocks) },
  }
}

/** How Calico is looked at. */
export const look: CniLook = {
  workloads: [
    { kind: 'DaemonSet', namespace: 'kube-system', name: 'calico-node' },
    { kind: 'Deployment', namespace: 'kube-system', name: 'calico-kube-controllers' },
  ],
  node,
  traces,
}
