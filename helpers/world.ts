import type { V1Node, V1Pod, V1PodList } from '@kubernetes/client-node'
import { readClusterDns } from './cluster-dns.ts'
import { SetupError } from './errors.ts'
import { isFurther, workerName, type Workers } from './fixture-nodes.ts'
import { specsOf, type FixtureNamespaces, type FixtureSpec, type OnHosts } from './fixture-objects.ts'
import { outsideName } from './check-probes.ts'
import { clusterCa } from './fixtures.ts'
import type { Kube } from './kube.ts'
import { readServices, type WorldService } from './world-services.ts'

/** Who runs an agent and can answer. */
export interface Party {
  /** Unique among all; what its agent is asked by. */
  name: string
  uid: string
  /** That of the cluster's first family. */
  ip: string
  /** One of each family of the cluster. */
  ips: readonly string[]
  /** `namespace/name` of a pod. */
  fullName: string
  /** Real name of the node that the pod was pinned to. */
  pinnedTo: string
}

/** A fixture pod as the API server reports it. */
export interface WorldPod extends Party, FixtureSpec {
  /** Node that runs it: the node whose address the kubelet reported as hostIP. */
  runsOn: string | undefined
  ready: boolean
  labels: Readonly<Record<string, string>>
  /** ClusterIP of the Service that has this pod alone behind it; only in `main`. */
  serviceIp?: string
  /** It serves on for a while when its deletion is asked for; only pods of checks' own. */
  lingers?: true
}

/** A node as the API server reports it. */
export interface WorldNode {
  name: string
  role: 'control-plane' | 'worker'
  /** InternalIP. */
  address: string
  podCIDR?: string
  kernel: string
  containerRuntime: string
  /** Version of its kubelet. */
  kubernetes: string
  /** Its label topology.kubernetes.io/zone. */
  zone?: string
}

/** One CoreDNS pod. */
interface DnsServer {
  name: string
  node: string
  ip: string
}

/** What the API says: every answer of an agent is compared with this, never with a constant. */
export interface World {
  /** The fixture pods of the pod network, on the first two workers. */
  pods: WorldPod[]
  /** Two on each node beyond these that is covered. */
  further: WorldPod[]
  /** Those with the network of their nodes, under the InternalIPs of these; none where the run has none. */
  hosts: WorldPod[]
  /** Those with ports of their nodes, under their own addresses; none where the run has none. */
  portPods: WorldPod[]
  /** A server outside the cluster; only where the run has one. */
  outside?: Party
  nodes: WorldNode[]
  /** The Services of the fixture namespace `main`, by name. */
  services: ReadonlyMap<string, WorldService>
  dns: { serviceIp: string; servers: DnsServer[] }
  /** The API server as pods reach it: ClusterIP, port, and its authority's certificate (PEM). */
  apiServer: { ip: string; port: number; ca: string }
  /** Every pod of the cluster with an address of its own (no host-network pods). */
  allPods: { name: string; ip: string }[]
  /** Undefined where nobody has declared it. */
  podSubnet: string | undefined
  clusterDomain: string
  namespaces: FixtureNamespaces
  /** Decides about the pairs of nodes that are asked where there are too many for all. */
  seed: string
}

/** What {@link readWorld} cannot ask the API. */
export interface WorldOptions extends OnHosts {
  namespaces: FixtureNamespaces
  workers: Workers
  /** CIDR that pod addresses must come from; undefined where nobody has declared it. */
  podSubnet: string | undefined
  /** Any text; see {@link World}. */
  seed: string
  outside?: OutsideServer
}

/** A server outside the cluster: a container that is no node, on the network of the nodes. */
export interface OutsideServer {
  /** Name of the container. */
  container: string
  /** As its agent says it. */
  uid: string
  ip: string
}

/** kubeadm's default; part of every record name that is asked for. */
const clusterDomain = 'cluster.local'

/**
 * Reads everything that answers are compared with: seven requests with that for the pods, whatever the number of checks.
 *
 * @param listing all pods of the cluster
 * @throws {SetupError} when a fixture Service, that of the cluster's DNS or that of the API server does not exist
 */
export async function readWorld(
  kube: Kube,
  options: WorldOptions,
  listing: Promise<V1PodList>,
): Promise<World> {
  const { main } = options.namespaces
  const [nodes, pods, services, dnsIp, apiService, authority] = await Promise.all([
    readNodes(kube),
    listing,
    readServices(kube, main),
    readClusterDns(kube),
    kube.core.readNamespacedService({ name: 'kubernetes', namespace: 'default' }),
    kube.core.readNamespacedConfigMap({ name: clusterCa, namespace: main }),
  ])
  const read = (spec: FixtureSpec): WorldPod => worldPod(spec, pods.items, nodes, services, options)
  return {
    ...fixturePods(options, read, nodes),
    ...(options.outside === undefined ? {} : { outside: outsideParty(options.outside) }),
    nodes,
    services,
    dns: {
      serviceIp: dnsIp,
      servers: dnsServers(pods.items),
    },
    apiServer: {
      ip: required(apiService.spec?.clusterIP, 'Service default/kubernetes has no ClusterIP'),
      port: apiService.spec?.ports?.find(({ name }) => name === 'https')?.port ?? 443,
      ca: required(authority.data?.['ca.crt'], `ConfigMap ${main}/${clusterCa} has no ca.crt`),
    },
    allPods: livingPods(pods.items),
    podSubnet: options.podSubnet,
    clusterDomain,
    namespaces: options.namespaces,
    seed: options.seed,
  }
}

/** The fixture pods, by what they are there for. */
function fixturePods(
  options: WorldOptions,
  read: (spec: FixtureSpec) => WorldPod,
  nodes: readonly WorldNode[],
): Pick<World, 'pods' | 'hosts' | 'portPods' | 'further'> {
  const all = specsOf(options).map(read)
  const privileged = all.filter(({ namespace }) => namespace === 'host')
  return {
    pods: all.filter((pod) => !privileged.includes(pod) && !isFurther(pod)),
    hosts: privileged.filter(({ hostPort }) => hostPort !== true).map((pod) => atItsNode(pod, nodes)),
    portPods: privileged.filter(({ hostPort }) => hostPort === true),
    further: all.filter(isFurther),
  }
}

/** The world as it will be before anything of it has an address: for those who say what they would make. Pure. */
export function worldBefore(options: WorldOptions): World {
  return {
    ...fixturePods(options, (spec) => worldPod(spec, [], [], new Map(), options), []),
    nodes: [],
    services: new Map(),
    dns: { serviceIp: '', servers: [] },
    apiServer: { ip: '', port: 443, ca: '' },
    allPods: [],
    podSubnet: options.podSubnet,
    clusterDomain,
    namespaces: options.namespaces,
    seed: options.seed,
  }
}

/** Every pod of the cluster with an address of its own, as the API says now. */
export async function readLivingPods(kube: Kube): Promise<World['allPods']> {
  return livingPods((await kube.core.listPodForAllNamespaces()).items)
}

/** Those of a list with an address of their own. Pure. */
export const livingPods = (pods: readonly V1Pod[]): World['allPods'] =>
  pods
    .filter((pod) => pod.spec?.hostNetwork !== true && isRunning(pod))
    .map((pod) => ({ name: fullName(pod), ip: pod.status?.podIP ?? '' }))
    .filter((pod) => pod.ip !== '')

/** All nodes, control planes first, by name. */
export async function readNodes(kube: Kube): Promise<WorldNode[]> {
  return worldNodes((await kube.core.listNode()).items)
}

/** The same, from what the API said. Pure. */
export const worldNodes = (items: readonly V1Node[]): WorldNode[] =>
  items
    .map(worldNode)
    .toSorted((a, b) => a.role.localeCompare(b.role) || a.name.localeCompare(b.name, 'en', { numeric: true }))

/** https://kubernetes.io/docs/reference/labels-annotations-taints/#topologykubernetesiozone */
export const zoneLabel = 'topology.kubernetes.io/zone'

/**
 * The workers of a cluster: the nodes that the roles worker1, worker2 and so on stand for.
 *
 * @throws {SetupError} when the cluster has fewer than two
 */
export function workersOf(nodes: readonly WorldNode[]): Workers {
  const [first, second, ...others] = nodes.filter((node) => node.role === 'worker')
  if (first === undefined || second === undefined) {
    throw new SetupError({
      what: 'the cluster has fewer than two worker nodes, so no path between nodes can be checked',
      seen: nodes.map((node) => `${node.name} (${node.role})`).join(', '),
      next: 'declare at least two workers',
    })
  }
  return [first.name, second.name, ...others.map(({ name }) => name)]
}

function worldNode(node: V1Node): WorldNode {
  const controlPlane = node.metadata?.labels?.['node-role.kubernetes.io/control-plane'] !== undefined
  const podCIDR = node.spec?.podCIDR
  const zone = node.metadata?.labels?.[zoneLabel]
  return {
    name: node.metadata?.name ?? '',
    role: controlPlane ? 'control-plane' : 'worker',
    address: node.status?.addresses?.find((address) => address.type === 'InternalIP')?.address ?? '',
    ...(podCIDR === undefined ? {} : { podCIDR }),
    ...(zone === undefined ? {} : { zone }),
    kernel: node.status?.nodeInfo?.kernelVersion ?? '',
    containerRuntime: node.status?.nodeInfo?.containerRuntimeVersion ?? '',
    kubernetes: node.status?.nodeInfo?.kubeletVersion ?? '',
  }
}

function worldPod(
  spec: FixtureSpec,
  pods: readonly V1Pod[],
  nodes: readonly WorldNode[],
  services: ReadonlyMap<string, WorldService>,
  options: WorldOptions,
): WorldPod {
  const namespace = options.namespaces[spec.namespace]
  const pod = pods.find(
    (candidate) => candidate.metadata?.namespace === namespace && candidate.metadata.name === spec.name,
  )
  const serviceIp = spec.namespace === 'main' ? services.get(spec.name)?.ips[0] : undefined
  const ready =
    pod?.status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True') ?? false
  return {
    ...spec,
    fullName: `${namespace}/${spec.name}`,
    uid: pod?.metadata?.uid ?? '',
    ip: pod?.status?.podIP ?? '',
    ips: (pod?.status?.podIPs ?? []).map(({ ip }) => ip),
    pinnedTo: workerName(spec.node, options.workers),
    runsOn: nodes.find((node) => node.address === pod?.status?.hostIP)?.name,
    ready: ready && pod?.metadata?.deletionTimestamp === undefined,
    labels: pod?.metadata?.labels ?? {},
    ...(serviceIp === undefined ? {} : { serviceIp }),
  }
}

/** Under the InternalIP of its node, whatever its own status says. */
function atItsNode(pod: WorldPod, nodes: readonly WorldNode[]): WorldPod {
  const ip = nodes.find(({ name }) => name === pod.pinnedTo)?.address ?? pod.ip
  return { ...pod, ip, ips: [ip] }
}

const outsideParty = ({ container, uid, ip }: OutsideServer): Party => ({
  name: outsideName,
  fullName: container,
  uid,
  ip,
  ips: [ip],
  pinnedTo: 'outside the cluster',
})

/** Is it one of those behind the cluster's DNS Service? */
export const isDnsPod = ({ metadata }: V1Pod): boolean =>
  metadata?.namespace === 'kube-system' && metadata.labels?.['k8s-app'] === 'kube-dns'

function dnsServers(pods: readonly V1Pod[]): DnsServer[] {
  return pods
    .filter(isDnsPod)
    .filter((pod) => isRunning(pod) && pod.status?.podIP !== undefined)
    .map((pod) => ({
      name: pod.metadata?.name ?? '',
      node: pod.spec?.nodeName ?? '',
      ip: pod.status?.podIP ?? '',
    }))
    .toSorted((a, b) => a.name.localeCompare(b.name))
}

const isRunning = (pod: V1Pod): boolean =>
  pod.status?.phase === 'Running' && pod.metadata?.deletionTimestamp === undefined

const fullName = (pod: V1Pod): string => `${pod.metadata?.namespace}/${pod.metadata?.name}`

function required(value: string | undefined, what: string): string {
  if (value === undefined || value === '') {
    throw new SetupError({ what, next: 'look at the Services of the fixture namespace and of kube-system' })
  }
  return value
}
