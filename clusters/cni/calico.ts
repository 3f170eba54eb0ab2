import { readFile } from 'node:fs/promises'
import type { KubernetesObject, V1DaemonSet } from '@kubernetes/client-node'
import { SetupError } from '../../helpers/errors.ts'
import { runInContainer } from '../../helpers/nodes.ts'
import { askHealth, awaitAgents } from '../cni-agents.ts'
import { encapsulationOf, pathsBetweenNodes, pathsText } from '../node-network.ts'
import { look } from '../looks/calico.ts'
import type { Cni, CniContext } from './cni.ts'

const pods = { namespace: 'kube-system', labelSelector: 'k8s-app=calico-node', container: 'calico-node' }

/** Upstream's two manifests differ in the BGP daemon: with VXLAN alone there is none. */
const manifestOf = (encapsulation: string): string =>
  encapsulation === 'vxlan' ? 'calico-vxlan.yaml' : 'calico.yaml'

/** Calico from its upstream manifests, with iptables; only the pod CIDR and the mode of its first pool are ours. */
export const cni: Cni = {
  traits: {
    encapsulations: ['vxlan', 'ipip', 'none'],
    ipFamilies: ['ipv4'],
    replacesKubeProxy: false,
    kernel: ['ipSet'],
    memoryPerNodeMiB: 200,
    installers: {
      manifests: {},
      operator: {
        refused: {
          why: 'the Tigera operator is not set up yet: its images and those that it asks for come only from a registry, not from --images source or archive',
          next: 'choose the cluster calico: the same Calico from its manifests',
        },
      },
    },
  },
  pods,
  hostInterface: 'cali',
  look,
  evidence: {
    commands: {
      status: ['calico-node', '-show-status'],
      ipsets: ['ipset', 'list'],
    },
    // Workload endpoints are no objects of their own here: Calico keeps them in annotations of the pods.
    objects: [
      'ClusterInformation',
      'FelixConfiguration',
      'IPPool',
      'IPAMBlock',
      'BlockAffinity',
      'IPAMHandle',
      'NetworkPolicy',
      'GlobalNetworkPolicy',
    ].map((kind) => ({ apiVersion: 'crd.projectcalico.org/v1', kind })),
  },

  async install(context) {
    const name = manifestOf(context.encapsulation)
    const file = context.manifests[name]
    if (file === undefined) throw new Error(`the image provider brought no ${name}`)
    const objects = context.kube.parse(await readFile(file, 'utf8'))
    const found = objects.filter(isAgent)
    if (found.length !== 1) {
      throw new SetupError({
        what: `${name} has no DaemonSet calico-node`,
        next: 'compare the manifest with the version in clusters/images/lock.yaml',
      })
    }
    await context.kube.apply(objects.map((object) => (isAgent(object) ? withPool(object, context) : object)))
  },

  // Not Ready: the readiness probe looks every 10 s. This is what it asks.
  async ready(context) {
    const { runOnNode, encapsulation } = context
    await awaitAgents('Calico', pods, context, async (node) => {
      await askHealth(runOnNode, node, 'http://localhost:9099/readiness')
      if (encapsulation !== 'vxlan')
        await runInContainer(runOnNode, node, pods.container, ['calico-node', '-bird-ready'])
    })
  },

  async identify({ runOnNode, network }, node) {
    const inside = (...argv: string[]): Promise<string> =>
      runInContainer(runOnNode, node, pods.container, argv)
    const [version, paths, rules, bgp] = await Promise.all([
      inside('calico-node', '-v'),
      pathsBetweenNodes(runOnNode, node, network.podSubnet),
      rulesOf(inside),
      runOnNode(node, ['pgrep', '-x', 'bird']).then(
        () => 'BGP by BIRD, ',
        () => '',
      ),
    ])
    return {
      version: version.trim(),
      encapsulation: encapsulationOf(paths, 'none'),
      dataPlane: `${rules}; ${bgp}${pathsText(paths)}`,
    }
  },
}

/** Which rules Felix has made, where its own chain is found. */
async function rulesOf(inside: (...argv: string[]) => Promise<string>): Promise<string> {
  for (const backend of ['nft', 'legacy']) {
    const there = await inside(`iptables-${backend}`, '-S', 'cali-FORWARD').then(
      () => true,
      () => false,
    )
    if (there) return `iptables (${backend})`
  }
  return 'no iptables rules'
}

const isAgent = (object: KubernetesObject): object is V1DaemonSet =>
  object.kind === 'DaemonSet' && object.metadata?.name === 'calico-node'

/** The first pool is made by the agents from these variables, when they find none. */
function withPool(daemonSet: V1DaemonSet, { encapsulation, network }: CniContext): V1DaemonSet {
  const ours: Record<string, string> = {
    CALICO_IPV4POOL_CIDR: network.podSubnet,
    CALICO_IPV4POOL_IPIP: encapsulation === 'ipip' ? 'Always' : 'Never',
    // Upstream's CrossSubnet wraps nothing between nodes of one subnet, as these are.
    CALICO_IPV4POOL_VXLAN: encapsulation === 'vxlan' ? 'Always' : 'Never',
  }
  const changed = structuredClone(daemonSet)
  for (const container of changed.spec?.template.spec?.containers ?? []) {
    if (container.name !== pods.container) continue
    container.env = [
      ...(container.env ?? []).filter(({ name }) => !(name in ours)),
      ...Object.entries(ours).map(([name, value]) => ({ name, value })),
    ]
  }
  return changed
}
