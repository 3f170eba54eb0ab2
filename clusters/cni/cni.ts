import type { Kube } from '../../helpers/kube.ts'
import type { RunOnNode } from '../../helpers/nodes.ts'

/** What a CNI needs to know of the cluster that it is installed in. */
export interface CniContext {
  kube: Kube
  /** The cluster's pod CIDR. */
  podSubnet: string
  encapsulation: string
  /** Nodes that the cluster is declared to have. A DaemonSet counts only those that it has noticed. */
  nodeCount: number
  /** Leads inside a node past the network that is being set up. */
  runOnNode: RunOnNode
  /** Path of each manifest that the image providers prepared for this CNI, by file name. */
  manifests: Readonly<Record<string, string>>
  signal?: AbortSignal
  /** Told what is still missing while the CNI comes up. */
  onSeen?: (seen: string) => void
}

/** What a CNI says of itself once it runs. */
interface CniIdentity {
  /** How packets leave a node: "vxlan port 8472", "host-gw". */
  dataPlane: string
  /** MTU of the pods' interfaces. */
  mtu?: number
}

/** One CNI: one file in this folder. */
export interface Cni {
  /** Applies the manifests. Does not wait. */
  install(context: CniContext): Promise<void>
  /**
   * Waits until every node's part runs. Whether it works is for the traffic to prove.
   *
   * @throws {BudgetExceeded} naming the nodes where it does not, and why
   */
  ready(context: CniContext): Promise<void>
  identify(context: CniContext, nodes: readonly string[]): Promise<CniIdentity>
  /** Namespace and label selector of its pods, for logs in the evidence. */
  pods: { namespace: string; labelSelector: string }
}
