import type { PodSelector } from '../evidence-cni.ts'
import { messageOf } from '../errors.ts'
import type { Kube } from '../kube.ts'
import type { RunOnNode } from '../nodes.ts'
import type { WorldNode } from '../world.ts'

/**
 * What a network shows of itself on its nodes, in words that are the same for all CNIs. Files in clusters/cni read it,
 * checks judge it. Only facts are given on: what is right is for the checks to say.
 */

/** A fact, or why it could not be read: then nothing is concluded from it. */
export type Read<T> = { value: T } | { unread: string }

/** What `make` returns, or the message of what it throws. */
export function attempt<T>(make: () => T): Read<T> {
  try {
    return { value: make() }
  } catch (error) {
    return { unread: messageOf(error) }
  }
}

/** What a file in clusters/cni looks with. */
export interface LookContext {
  kube: Kube
  runOnNode: RunOnNode
  nodes: readonly WorldNode[]
  /** The cluster's pod CIDR; with two families two, a comma between. */
  podSubnet: string
}

/** What one node shows of the network. */
export interface NodeLook {
  /** What the agent says when it is asked for its health. */
  health: Read<{ ok: boolean; says: string }>
  /** As the agent's program on this node tells it: "v0.28.9". */
  version: Read<string>
  /** One of the traits' encapsulations, as this node shows it; any other text says what is there instead. */
  encapsulation: Read<string>
  /** What the CNI says of serving Services in the place of kube-proxy; undefined where it does not. */
  servesServices: Read<string | undefined>
  /** Every other node of the cluster, with what this node lacks to send packets to its pods. */
  others: Read<readonly OtherNode[]>
  /** The pods of this node that the CNI has on its list. */
  endpoints: Read<readonly ListedEndpoint[]>
  /** CIDRs that the addresses of this node's pods come from. */
  ranges: Read<readonly string[]>
}

/** Another node, as one node knows it. */
export interface OtherNode {
  name: string
  /** "no FDB entry for 172.18.0.3 on flannel.1"; empty when nothing is missing. */
  missing: readonly string[]
}

/** A pod on the CNI's own list. */
export interface ListedEndpoint {
  /** `namespace/name`. */
  pod: string
  addresses: readonly string[]
  /** What the CNI itself has against it, such as a state that is not ready. */
  problem?: string
}

/** A pod that is alive or was: all that is needed to find what there is of it on its node. */
export interface TracedPod {
  namespace: string
  name: string
  uid: string
  ip: string
  /** Real name of its node. */
  node: string
  /** The node's end of its interface, as it was seen while the pod lived; without it there is no trace of the interface. */
  hostInterface?: HostInterface
}

/** The node's end of a pod's interface. */
export interface HostInterface {
  name: string
  /** Its ifindex on the node. Indices are not given out again before the node restarts, names may be. */
  index: number
}

/** Something that exists of a pod on its node, or in the CNI's objects for that node. */
export interface Trace {
  /** interface: the node's end. route: to this pod alone. endpoint: the CNI's own entry. address: that of its IPAM. */
  kind: 'interface' | 'route' | 'endpoint' | 'address'
  /** What it is and where, for people: "route 10.244.1.5 dev cali12ab". */
  name: string
}

/** What a file in clusters/cni exports as `cni.look`. */
export interface CniLook {
  /** Everything at once of one node. Never throws: what cannot be read says why. */
  node(at: LookContext, node: WorldNode): Promise<NodeLook>
  /**
   * What exists of one pod now. The kinds that a CNI has are the same for each of its pods; by what it says of a living
   * pod one knows what must be gone with it.
   *
   * @throws when something could not be read: then nothing is known to be gone
   */
  traces(at: LookContext, pod: TracedPod): Promise<Trace[]>
  /** What keeps the network running, its agents first. */
  workloads: readonly Workload[]
}

/** A Deployment or DaemonSet. */
export interface Workload {
  kind: 'DaemonSet' | 'Deployment'
  namespace: string
  name: string
}

/** The part of a file in clusters/cni that looks are taken with. */
export interface LookedAt {
  look: CniLook
  /** Its pods on the nodes, and the container in them that does the work. */
  pods: PodSelector & { container: string }
  /** First letters of the name that the host's end of a pod's interface has. */
  hostInterface: string
}

/** A look of which nothing could be read. */
export function unreadLook(why: string): NodeLook {
  const unread = { unread: why }
  return {
    health: unread,
    version: unread,
    encapsulation: unread,
    servesServices: unread,
    others: unread,
    endpoints: unread,
    ranges: unread,
  }
}
