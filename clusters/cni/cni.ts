import type { Kube } from '../../helpers/kube.ts'
import type { CniLook } from '../../helpers/looks/network-look.ts'
import type { RunOnNode } from '../../helpers/nodes.ts'
import type { KernelFeature } from '../host/kernel.ts'

/**
 * What a CNI is to us: one file in this folder that exports `cni`. `validate` loads them all within its 0.3 s, so
 * what such a file imports at its top is light: types, budgets, waiting. The clients of the cluster come with the context.
 */
export interface Cni {
  /** What it can be asked for, so that a definition is refused before anything is created. Its versions come from the lock. */
  traits: CniTraits
  /** Applies the manifests. Does not wait. */
  install(context: CniContext): Promise<void>
  /**
   * Waits until every node's part runs. Whether it works is for the traffic to prove.
   *
   * @throws {BudgetExceeded} naming the nodes where it does not, and why
   */
  ready(context: CniContext): Promise<void>
  /** What it says of itself on a node that has pods, and what that node shows: nothing is copied from the definition. */
  identify(context: CniContext, node: string): Promise<CniIdentity>
  /** Its pods on the nodes, and the container in them that does the work. */
  pods: { namespace: string; labelSelector: string; container: string }
  /** First letters of the name that the host's end of a pod's interface has. */
  hostInterface: string
  /** What it shows of itself, node by node and pod by pod, in the words of all CNIs. */
  look: CniLook
  /** Its own state, for the evidence of what did not pass. */
  evidence: CniEvidence
}

/** What a CNI can do here. */
export interface CniTraits {
  /** How packets travel between nodes; the first is the default. */
  encapsulations: readonly [string, ...string[]]
  ipFamilies: readonly ('ipv4' | 'ipv6' | 'dual')[]
  /** Whether it can serve Services itself, which is what `kubeProxy: none` needs. */
  replacesKubeProxy: boolean
  /** What it needs of the kernel in any mode. */
  kernel: readonly KernelFeature[]
  /** Memory that its part takes on a node at most, in MiB: what a matrix may run at once is counted with it. */
  memoryPerNodeMiB: number
  /** Ways to set it up; the first is the default. Those that we know but cannot take say why, and what to do instead. */
  installers: Readonly<Record<string, { refused?: { why: string; next: string } }>>
}

/** What a CNI needs to know of the cluster that it is installed in. */
export interface CniContext {
  kube: Kube
  /** "v1.37.0" */
  kubernetes: string
  network: {
    ipFamily: 'ipv4' | 'ipv6' | 'dual'
    /** The cluster's pod CIDR; with two families two, a comma between. */
    podSubnet: string
    kubeProxy: 'iptables' | 'nftables' | 'ipvs' | 'none'
  }
  encapsulation: string
  /** Name of the first control-plane node, under which the others reach its API server without any Service. */
  controlPlane: string
  /** Nodes that the cluster is declared to have. A DaemonSet counts only those that it has noticed. */
  nodeCount: number
  /** Leads inside a node past the network that is being set up. */
  runOnNode: RunOnNode
  /** Path of each manifest, chart or program that the image providers prepared for this CNI, by file name. */
  manifests: Readonly<Record<string, string>>
  signal?: AbortSignal
  /** Told what is still missing while the CNI comes up. */
  onSeen?: (seen: string) => void
}

/** What a CNI says of itself once it runs. */
export interface CniIdentity {
  /** As its own program tells it: "v0.28.9". */
  version: string
  /** One of the traits' encapsulations, as the nodes show it. */
  encapsulation: string
  /** What carries the packets: "vxlan, interface flannel.1, UDP port 8472". */
  dataPlane: string
  /** Set where it serves Services itself: what it says of that. */
  kubeProxyReplacement?: string
}

/** Where a CNI keeps its state. */
interface CniEvidence {
  /** Name of a file -> command that is run in each of its pods. Read only. */
  commands: Readonly<Record<string, readonly string[]>>
  /** Kinds of its own objects. */
  objects: readonly { apiVersion: string; kind: string }[]
}
