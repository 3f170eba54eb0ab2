import { SetupError } from '../helpers/errors.ts'
import type { Cni, CniContext, CniIdentity } from './cni/cni.ts'
import type { ClusterDefinition } from './definition-schema.ts'
import { kubeProxyMode, podMtu } from './node-network.ts'

/** What the network of a running cluster is, as its nodes and its CNI show it. */
export interface NetworkIdentity extends CniIdentity {
  /** Mode of kube-proxy, or who serves Services in its place. */
  kubeProxy: string
  /** Of the pods' interfaces, in bytes. */
  mtu?: number
}

/**
 * Asks a node that has pods what its network is.
 *
 * @throws {SetupError} when that is another network than the definition declares: each green would be said of the
 *   wrong thing
 */
export async function identifyNetwork(
  cni: Cni,
  context: CniContext,
  node: string,
  { cni: declared, network, name }: Pick<ClusterDefinition, 'cni' | 'network' | 'name'>,
): Promise<NetworkIdentity> {
  const { runOnNode } = context
  const [own, mtu, proxy] = await Promise.all([
    cni.identify(context, node),
    podMtu(runOnNode, node, cni.hostInterface),
    // Where nothing listens, there is none.
    kubeProxyMode(runOnNode, node).catch(() => 'none'),
  ])
  const differences = [
    own.encapsulation === declared.encapsulation
      ? []
      : `encapsulation ${own.encapsulation}, declared ${declared.encapsulation}`,
    proxy === network.kubeProxy ? [] : `kube-proxy ${proxy}, declared ${network.kubeProxy}`,
    proxy === 'none' && own.kubeProxyReplacement === undefined ? 'nobody who serves Services' : [],
  ].flat()
  if (differences.length > 0) {
    throw new SetupError({
      what: `the cluster ${name} is not what its definition says`,
      seen: `${differences.join('; ')} (on ${node}: ${own.dataPlane})`,
      next: 'a bug of the installer in clusters/cni, or a mode that this machine silently lacks: report it with this message',
    })
  }
  return {
    ...own,
    kubeProxy: proxy === 'none' ? `none (${own.kubeProxyReplacement})` : proxy,
    ...(mtu === undefined ? {} : { mtu }),
  }
}
