import { z } from 'zod'
import { askProxyMode, linkInfoSchema, showLinks } from '../helpers/looks/node-facts.ts'
import type { RunOnNode } from '../helpers/nodes.ts'
import { overlap, readCidrs } from './cidr.ts'

/** What the network of a node shows of itself: read with `ip -json`, never concluded from a definition. */

/** How a node reaches the pods of the others. */
export interface PathBetweenNodes {
  /** Interface through which packets leave. */
  device: string
  /** Kind of the interface, as the kernel calls it: vxlan, ipip, veth. */
  kind: string
  /** Of a vxlan. */
  port?: number
}

const routes = z.array(
  z.looseObject({
    dst: z.string(),
    gateway: z.string().optional(),
    dev: z.string().optional(),
    metrics: z.array(z.looseObject({ mtu: z.number().optional() })).optional(),
  }),
)
/** A route of a node. */
export type Route = z.output<typeof routes>[number]

const links = z.array(
  z.looseObject({
    ifname: z.string(),
    mtu: z.number(),
    linkinfo: linkInfoSchema,
  }),
)

/**
 * The interfaces of a node behind which the pods of other nodes are: those of routes into the pod range that lead
 * through a gateway. Empty where the kernel's routes don't say it, as with eBPF.
 */
export async function pathsBetweenNodes(
  runOnNode: RunOnNode,
  node: string,
  podSubnet: string,
): Promise<PathBetweenNodes[]> {
  const [shown, interfaces] = await Promise.all([readRoutes(runOnNode, node), readLinks(runOnNode, node)])
  return pathsIn(shown, interfaces, podSubnet)
}

/** The same from what the node has shown already. */
export function pathsIn(
  shown: readonly Route[],
  interfaces: readonly LinkKind[],
  podSubnet: string,
): PathBetweenNodes[] {
  const devices = toOthers(shown, podSubnet).map(({ dev }) => dev)
  return interfaces.filter(({ ifname }) => devices.includes(ifname)).map(pathThrough)
}

/** The smallest MTU that the routes to the pods of other nodes set, in bytes; undefined where none does. */
export async function routeMtu(
  runOnNode: RunOnNode,
  node: string,
  podSubnet: string,
): Promise<number | undefined> {
  const found = toOthers(await readRoutes(runOnNode, node), podSubnet)
  const sizes = found.flatMap(({ metrics }) => metrics?.flatMap(({ mtu }) => mtu ?? []) ?? [])
  return sizes.length === 0 ? undefined : Math.min(...sizes)
}

/** Prints the routes of a node. */
export const showRoutes: readonly string[] = ['ip', '-json', 'route', 'show']

/** The routes in the output of {@link showRoutes}. */
export const routesIn = (text: string): Route[] => routes.parse(JSON.parse(text))

const readRoutes = async (runOnNode: RunOnNode, node: string): Promise<Route[]> =>
  routesIn(await runOnNode(node, showRoutes))

/** Those that lead into the pod range through a gateway. */
function toOthers(shown: readonly Route[], podSubnet: string): Route[] {
  const pods = readCidrs(podSubnet).cidrs
  const isPodRange = (text: string): boolean =>
    readCidrs(text).cidrs.some((range) => pods.some((pod) => overlap(pod, range)))
  return shown.filter(({ dst, gateway }) => gateway !== undefined && isPodRange(dst))
}

/** The interfaces of a node that wrap packets. */
export async function tunnelsOf(runOnNode: RunOnNode, node: string): Promise<PathBetweenNodes[]> {
  return (await readLinks(runOnNode, node)).map(pathThrough).filter(({ kind }) => tunnels.has(kind))
}

/** An interface and its kind. */
type LinkKind = Pick<z.output<typeof links>[number], 'ifname' | 'linkinfo'>

function pathThrough({ ifname, linkinfo }: LinkKind): PathBetweenNodes {
  const port = linkinfo?.info_data?.port
  return {
    device: ifname,
    kind: linkinfo?.info_kind ?? 'unknown',
    ...(port === undefined ? {} : { port }),
  }
}

/** MTU of the pods' interfaces on a node, in bytes: the smallest, should they differ; undefined where no pod is. */
export async function podMtu(
  runOnNode: RunOnNode,
  node: string,
  hostInterface: string,
): Promise<number | undefined> {
  const own = (await readLinks(runOnNode, node)).filter(({ ifname }) => ifname.startsWith(hostInterface))
  return own.length === 0 ? undefined : Math.min(...own.map(({ mtu }) => mtu))
}

async function readLinks(runOnNode: RunOnNode, node: string): Promise<z.output<typeof links>> {
  return links.parse(JSON.parse(await runOnNode(node, showLinks)))
}

/** Mode in which kube-proxy of a node says that it runs. */
export async function kubeProxyMode(runOnNode: RunOnNode, node: string): Promise<string> {
  return (await runOnNode(node, askProxyMode(2))).trim()
}

/** Kinds of interface that wrap packets. */
const tunnels: ReadonlySet<string> = new Set(['vxlan', 'geneve', 'ipip', 'wireguard'])

/**
 * How packets are wrapped on those paths.
 *
 * @param direct what it is called when they are not
 */
export function encapsulationOf(paths: readonly PathBetweenNodes[], direct: string): string {
  const kinds = new Set(paths.map(({ kind }) => (tunnels.has(kind) ? kind : direct)))
  return kinds.size === 0 ? 'none to be seen' : [...kinds].join(' and ')
}

/** "vxlan, interface flannel.1, UDP port 8472" */
export function pathsText(paths: readonly PathBetweenNodes[]): string {
  const texts = paths.map(({ device, kind, port }) =>
    tunnels.has(kind)
      ? `${kind}, interface ${device}${port === undefined ? '' : `, UDP port ${port}`}`
      : `routes through ${device}`,
  )
  return texts.length === 0 ? 'no route to the pods of other nodes' : texts.join('; ')
}
