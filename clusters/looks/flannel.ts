import { z } from 'zod'
import {
  attempt,
  type CniLook,
  type ListedEndpoint,
  type LookContext,
  type NodeLook,
  type OtherNode,
  type Trace,
  type TracedPod,
} from '../../helpers/looks/network-look.ts'
import { interfaceTraces, linksIn, showLinks, type Link } from '../../helpers/looks/node-facts.ts'
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

/** Where host-local, to which Flannel's plugin hands a pod's address over, keeps one file for each. */
const addressFolder = '/var/lib/cni/networks/cbr0'

/** Prints the names of those files; before the first pod there is no folder. */
const showAddresses = ['bash', '-c', '[ ! -d "$1" ] || ls "$1"', 'bash', addressFolder]

/** The name that Flannel gives to its VXLAN of number 1. */
const tunnel = 'flannel.1'

/**
 * Prints all that the CNI library remembers of the pods of a node, as one list: Flannel's plugin has no list of its own.
 * https://www.cni.dev/docs/spec/#del-remove-container-from-network-or-un-apply-modifications
 */
const showResults: readonly string[] = [
  'bash',
  '-c',
  'set -o pipefail; shopt -s nullglob; cat /dev/null /var/lib/cni/results/cbr0-* | jq --compact-output --slurp .',
]

const resultsSchema = z.array(
  z.object({
    cniArgs: z.array(z.tuple([z.string(), z.string()])),
    result: z.object({ ips: z.array(z.object({ address: z.string() })).default([]) }),
  }),
)

function resultsIn(said: Said): (ListedEndpoint & { uid: string | undefined })[] {
  return resultsSchema.parse(JSON.parse(outputOf(said))).map(({ cniArgs, result }) => {
    const args = new Map(cniArgs)
    return {
      pod: `${args.get('K8S_POD_NAMESPACE')}/${args.get('K8S_POD_NAME')}`,
      uid: args.get('K8S_POD_UID'),
      addresses: result.ips.map(({ address }) => withoutPrefix(address)),
    }
  })
}

const addressesIn = (said: Said): string[] => outputOf(said).split('\n')

const addressFile = (address: string): string => `${addressFolder}/${address}`

async function traces({ runOnNode }: LookContext, pod: TracedPod): Promise<Trace[]> {
  const said = await runEach(runOnNode, pod.node, {
    links: showLinks,
    results: showResults,
    addresses: showAddresses,
  })
  const results = resultsIn(said.results)
  // Its address may be another pod's by now.
  const given = results.some(({ uid, addresses }) => uid !== pod.uid && addresses.includes(pod.ip))
  return [
    ...interfaceTraces(linksIn(said.links), pod),
    ...results
      .filter(({ uid }) => uid === pod.uid)
      .map(({ pod }): Trace => ({ kind: 'endpoint', name: `result of the CNI plugin for ${pod}` })),
    ...addressesIn(said.addresses)
      .filter((address) => address === pod.ip && !given)
      .map((address): Trace => ({ kind: 'address', name: addressFile(address) })),
  ]
}

/** The notes with which flanneld tells the others of its lease: https://github.com/flannel-io/flannel/blob/master/Documentation/kubernetes.md */
const note = (name: string): string => `flannel.alpha.coreos.com/${name}`
const vtepSchema = z.object({ VtepMAC: z.string() })

type Notes = ReadonlyMap<string, Readonly<Record<string, string>>>

async function readNotes({ kube }: LookContext): Promise<Notes> {
  const { items } = await kube.core.listNode()
  return new Map(items.map(({ metadata }) => [metadata?.name ?? '', metadata?.annotations ?? {}]))
}

interface Shown {
  routes: readonly Route[]
  links: readonly Link[]
  notes: Notes
  fdb: Said
  neighbours: Said
}

function missingOf(other: WorldNode, shown: Shown): string[] {
  const notes = shown.notes.get(other.name) ?? {}
  const backend = notes[note('backend-type')]
  const { podCIDR } = other
  if (backend === undefined || podCIDR === undefined)
    return [
      `${other.name} has no lease: its Node has no ${backend === undefined ? note('backend-type') : 'podCIDR'}`,
    ]
  const route = shown.routes.find(({ dst }) => dst === podCIDR)
  const missing = route === undefined ? [`no route to ${podCIDR} of ${other.name}`] : []
  if (backend !== 'vxlan') {
    if (route !== undefined && route.gateway !== other.address)
      missing.push(
        `the route to ${podCIDR} leads to ${route.gateway ?? route.dev}, not to ${other.name} (${other.address})`,
      )
    return missing
  }
  if (route !== undefined && route.dev !== tunnel)
    missing.push(`the route to ${podCIDR} of ${other.name} leads through ${route.dev}, not ${tunnel}`)
  const link = shown.links.find(({ ifname }) => ifname === tunnel)
  if (link === undefined) return [...missing, `there is no interface ${tunnel}`]
  if (!link.flags.includes('UP')) missing.push(`${tunnel} is down`)
  const { VtepMAC: mac } = vtepSchema.parse(JSON.parse(notes[note('backend-data')] ?? '{}'))
  return [...missing, ...missingInTunnel(tunnel, other, { inside: withoutPrefix(podCIDR), mac }, shown)]
}

function otherNodes(at: LookContext, self: WorldNode, shown: Shown): OtherNode[] {
  const problem = shown.notes.get(self.name)?.[note('backend-type')] === undefined
  const own = problem ? [`${self.name} itself has no lease: its Node has no ${note('backend-type')}`] : []
  return othersOf(at, self, (other) => [...own, ...missingOf(other, shown)])
}

async function node(at: LookContext, self: WorldNode): Promise<NodeLook> {
  const [said, notes] = await Promise.all([
    runEach(at.runOnNode, self.name, {
      health: curl('http://127.0.0.1:8081/healthz'),
      version: inContainer('kube-flannel', ['sh', '-c', '/opt/bin/flanneld --version 2>&1']),
      links: showLinks,
      routes: showRoutes,
      fdb: showFdb(tunnel),
      neighbours: showNeighbours(tunnel),
      results: showResults,
      addresses: showAddresses,
      subnet: ['cat', '/run/flannel/subnet.env'],
    }),
    readNotes(at),
  ])
  const shown = () => ({
    ...said,
    notes,
    links: linksIn(said.links),
    routes: routesIn(outputOf(said.routes)),
  })
  return {
    health: healthIn(said.health),
    version: attempt(() => outputOf(said.version).trim()),
    encapsulation: attempt(() => {
      const { routes, links } = shown()
      return encapsulationOf(pathsIn(routes, links, at.podSubnet), 'host-gw')
    }),
    servesServices: { value: undefined },
    others: attempt(() => otherNodes(at, self, shown())),
    endpoints: attempt(() => withAddressFiles(resultsIn(said.results), addressesIn(said.addresses))),
    ranges: attempt(() => rangesIn(outputOf(said.subnet))),
  }
}

/** A pod whose address the plugin gave, but host-local does not hold, would share it with the next pod. */
const withAddressFiles = (results: readonly ListedEndpoint[], files: readonly string[]): ListedEndpoint[] =>
  results.map((each) => {
    const lost = each.addresses.filter((address) => !files.includes(address))
    return lost.length === 0 ? each : { ...each, problem: `there is no ${lost.map(addressFile).join(', ')}` }
  })

/** FLANNEL_SUBNET=10.244.1.1/24 */
function rangesIn(subnetEnv: string): string[] {
  const range = /^FLANNEL_SUBNET=(\S+)$/m.exec(subnetEnv)?.[1]
  if (range === undefined) throw new Error('subnet.env has no FLANNEL_SUBNET')
  return [range]
}

/** How Flannel is looked at. */
export const look: CniLook = {
  workloads: [{ kind: 'DaemonSet', namespace: 'kube-flannel', name: 'kube-flannel-ds' }],
  node,
  traces,
}
