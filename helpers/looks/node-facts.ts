import { z } from 'zod'
import { attempt, type HostInterface, type Read, type Trace, type TracedPod } from './network-look.ts'
import { outputOf, runEach, type RunOnNode, type Said } from '../nodes.ts'

/** What every node shows of its own network, whatever the CNI. */

/** What kind an interface is; a VXLAN has a port. */
export const linkInfoSchema = z
  .looseObject({
    info_kind: z.string().optional(),
    info_data: z.looseObject({ port: z.number().optional() }).optional(),
  })
  .optional()

const linksSchema = z.array(
  z.looseObject({
    ifindex: z.number(),
    ifname: z.string(),
    flags: z.array(z.string()).default([]),
    address: z.string().optional(),
    /** Index of the other end of a pair, in its namespace. */
    link_index: z.number().optional(),
    /** There when the other end is in another namespace; its number is this node's name for that. */
    link_netnsid: z.number().optional(),
    linkinfo: linkInfoSchema,
  }),
)
/** An interface of a node. */
export type Link = z.output<typeof linksSchema>[number]

/** What a node shows whatever its CNI. */
export interface NodeFacts {
  /** `net:[4026531840]` */
  netns: Read<string>
  links: Read<readonly Link[]>
  /** Mode in which kube-proxy says that it runs; `none` where nobody listens on its port. */
  kubeProxy: Read<string>
}

/** Prints the interfaces of a node. */
export const showLinks: readonly string[] = ['ip', '-json', '-details', 'link', 'show']

/** The interfaces in the output of {@link showLinks}. */
export const linksIn = (said: Said): Link[] => linksSchema.parse(JSON.parse(outputOf(said)))

/** Asks kube-proxy for its mode: https://kubernetes.io/docs/reference/config-api/kube-proxy-config.v1alpha1/ */
export const askProxyMode = (seconds: number): readonly string[] => [
  'curl',
  '--silent',
  '--show-error',
  '--max-time',
  String(seconds),
  'http://127.0.0.1:10249/proxyMode',
]

/** Exit code of curl when the connection is refused. */
const curlRefused = 7

/**
 * @throws {CommandError} when the node cannot be asked at all
 */
export async function readNodeFacts(runOnNode: RunOnNode, node: string): Promise<NodeFacts> {
  const { netns, links, proxy } = await runEach(runOnNode, node, {
    netns: ['readlink', '/proc/1/ns/net'],
    links: showLinks,
    // On a machine that is busy with all looks at once it takes more than 2 s.
    proxy: askProxyMode(4),
  })
  return {
    netns: attempt(() => outputOf(netns).trim()),
    links: attempt(() => linksIn(links)),
    kubeProxy: attempt(() => (proxy.exitCode === curlRefused ? 'none' : outputOf(proxy).trim())),
  }
}

/** The interface of a pod as the pod itself sees it. */
export interface PodInterface {
  name: string
  index: number
  /** Index of its other end, in the namespace where that is; its own where it has none, or by chance. */
  peer: number
}

/** The node's end of a pod's interface: the two name each other, and each is in another namespace. */
export function hostEndOf(links: readonly Link[], { index, peer }: PodInterface): Link | undefined {
  return links.find(
    (link) => link.ifindex === peer && link.link_index === index && link.link_netnsid !== undefined,
  )
}

/** What there is of a pod's interface: what has its name, or its index under another name. */
export function interfaceTraces(links: readonly Link[], pod: TracedPod): Trace[] {
  const { hostInterface } = pod
  if (hostInterface === undefined) return []
  return links
    .filter(({ ifname, ifindex }) => ifname === hostInterface.name || ifindex === hostInterface.index)
    .map(({ ifname, ifindex }) => ({ kind: 'interface', name: `interface ${ifname} (index ${ifindex})` }))
}

/** Prints the routes of a node to one address alone. */
export const showRoutesTo = (ip: string): readonly string[] => [
  'ip',
  '-json',
  ...(ip.includes(':') ? ['-6'] : []),
  'route',
  'show',
  'exact',
  ip,
]

const routesSchema = z.array(z.looseObject({ dst: z.string(), dev: z.string().optional() }))

/** The routes in the output of {@link showRoutesTo}. */
export function routeTraces(said: Said): Trace[] {
  return routesSchema
    .parse(JSON.parse(outputOf(said)))
    .map(({ dst, dev }) => ({ kind: 'route', name: `route ${dst}${dev === undefined ? '' : ` dev ${dev}`}` }))
}

/** Name and index of a link. */
export const asHostInterface = ({ ifname, ifindex }: Link): HostInterface => ({
  name: ifname,
  index: ifindex,
})
