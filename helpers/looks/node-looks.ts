import { apiMessage, type Kube } from '../kube.ts'
import { messageOf } from '../errors.ts'
import {
  unreadLook,
  type HostInterface,
  type LookContext,
  type LookedAt,
  type NodeLook,
  type Read,
  type Trace,
  type TracedPod,
  type Workload,
} from './network-look.ts'
import { asHostInterface, hostEndOf, readNodeFacts, type NodeFacts, type PodInterface } from './node-facts.ts'
import type { RunOnNode } from '../nodes.ts'
import type { World, WorldNode } from '../world.ts'

/** What looks are taken with. Who has no access to the nodes has no such thing, and its checks are unsupported. */
export interface NodeAccess {
  runOnNode: RunOnNode
  /** The `cni` of its file in clusters/cni. */
  cni: LookedAt
  /** What the definition says that the network is. */
  declared: DeclaredNetwork
}

/** What the nodes are held against. */
interface DeclaredNetwork {
  /** Version of the CNI. */
  version: string
  encapsulation: string
  kubeProxy: string
  podSubnet: string
}

/** Everything that one node shows. */
export interface Look {
  facts: NodeFacts
  cni: NodeLook
}

/** What all nodes show, at one time, and what it is held against. */
export interface Looks {
  nodes: ReadonlyMap<string, Look>
  declared: DeclaredNetwork
  /** First letters of the name that the host's end of a pod's interface has. */
  hostInterface: string
  /** The agents that run, as the API says. */
  agents: Read<readonly { name: string; node: string }[]>
  workloads: readonly { workload: Workload; pods: Read<{ ready: number; wanted: number }> }[]
}

/** Why something could not be read; a look later may. */
export function gapsIn({ nodes, agents, workloads }: Looks): ReadonlySet<string> {
  const reads = [
    agents,
    ...workloads.map(({ pods }) => pods),
    ...[...nodes.values()].flatMap(({ facts, cni }) => [...Object.values(facts), ...Object.values(cni)]),
  ] as Read<unknown>[]
  return new Set(reads.flatMap((read) => ('unread' in read ? read.unread : [])))
}

/** Looks at the network from its nodes. */
export class NodeLooks {
  readonly #kube: Kube
  readonly #access: NodeAccess

  constructor(kube: Kube, access: NodeAccess) {
    this.#kube = kube
    this.#access = access
  }

  /** The part of the CNI's file that looks are taken with. */
  get cni(): LookedAt {
    return this.#access.cni
  }

  /** One look at every node, side by side. Never throws: what cannot be read says why. */
  async take(world: World): Promise<Looks> {
    const at = this.#context(world)
    const { hostInterface, look } = this.cni
    const [nodes, agents, workloads] = await Promise.all([
      Promise.all(at.nodes.map(async (node) => [node.name, await this.#lookAt(at, node)] as const)),
      readOr(this.#agents()),
      Promise.all(
        look.workloads.map(async (workload) => ({ workload, pods: await readOr(this.#podsOf(workload)) })),
      ),
    ])
    return { nodes: new Map(nodes), declared: this.#access.declared, hostInterface, agents, workloads }
  }

  async #agents(): Promise<{ name: string; node: string }[]> {
    const { namespace, labelSelector } = this.cni.pods
    const { items } = await this.#kube.core.listNamespacedPod({ namespace, labelSelector })
    return items
      .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
      .map(({ metadata, spec }) => ({ name: metadata?.name ?? '', node: spec?.nodeName ?? '' }))
  }

  async #podsOf({ kind, namespace, name }: Workload): Promise<{ ready: number; wanted: number }> {
    if (kind === 'DaemonSet') {
      const { status } = await this.#kube.apps.readNamespacedDaemonSet({ namespace, name })
      return { ready: status?.numberReady ?? 0, wanted: status?.desiredNumberScheduled ?? 0 }
    }
    const { spec, status } = await this.#kube.apps.readNamespacedDeployment({ namespace, name })
    return { ready: status?.readyReplicas ?? 0, wanted: spec?.replicas ?? 0 }
  }

  async #lookAt(at: LookContext, node: WorldNode): Promise<Look> {
    const unread = (error: unknown) => ({ unread: messageOf(error) })
    const [facts, cni] = await Promise.all([
      readNodeFacts(at.runOnNode, node.name).catch((error: unknown) => ({
        netns: unread(error),
        links: unread(error),
        kubeProxy: unread(error),
      })),
      this.cni.look.node(at, node).catch((error: unknown) => unreadLook(messageOf(error))),
    ])
    return { facts, cni }
  }

  /**
   * The node's end of the interface of a pod that lives; undefined when there is none.
   *
   * @param inside what the pod's agent says of it: `facts.interface`
   * @throws when the node's interfaces cannot be read
   */
  async hostInterface(node: string, inside: PodInterface): Promise<HostInterface | undefined> {
    const { links } = await readNodeFacts(this.#access.runOnNode, node)
    if ('unread' in links) throw new Error(links.unread)
    const found = hostEndOf(links.value, inside)
    return found === undefined ? undefined : asHostInterface(found)
  }

  /**
   * What exists of one pod on its node, now.
   *
   * @throws when something could not be read: then nothing is known to be gone
   */
  async traces(world: Pick<World, 'nodes'>, pod: TracedPod): Promise<Trace[]> {
    return this.cni.look.traces(this.#context(world), pod)
  }

  #context({ nodes }: Pick<World, 'nodes'>): LookContext {
    const { runOnNode, declared } = this.#access
    return { kube: this.#kube, runOnNode, nodes, podSubnet: declared.podSubnet }
  }
}

const readOr = async <T>(reading: Promise<T>): Promise<Read<T>> =>
  reading.then(
    (value) => ({ value }),
    (error: unknown) => ({ unread: apiMessage(error) }),
  )
