import { z } from 'zod'
import { runInContainer } from '../../helpers/nodes.ts'
import { askHealth, awaitAgents } from '../cni-agents.ts'
import { renderChart } from '../helm.ts'
import { pathsText, routeMtu, tunnelsOf } from '../node-network.ts'
import { look } from '../looks/cilium.ts'
import type { Cni, CniContext } from './cni.ts'

const namespace = 'kube-system'
const pods = { namespace, labelSelector: 'k8s-app=cilium', container: 'cilium-agent' }
const chart = 'cilium.tgz'

/** What `cilium-dbg status --output json` says, as far as it is read here. */
const statusSchema = z.object({
  /** "1.19.4 (v1.19.4-95e477fd)" */
  cilium: z.object({ msg: z.string() }),
  routing: z.object({ 'inter-host-routing-mode': z.string(), 'tunnel-protocol': z.string().optional() }),
  'kube-proxy-replacement': z.object({ mode: z.string() }),
  masquerading: z.object({ mode: z.string().optional() }),
})

/** Cilium from its Helm chart, reduced to the pod network: no Envoy, no Hubble, one operator. */
export const cni: Cni = {
  traits: {
    encapsulations: ['vxlan'],
    ipFamilies: ['ipv4', 'dual'],
    replacesKubeProxy: true,
    kernel: ['bpf'],
    memoryPerNodeMiB: 250,
    installers: { helm: {} },
  },
  pods,
  hostInterface: 'lxc',
  look,
  evidence: {
    commands: {
      status: ['cilium-dbg', 'status', '--verbose'],
      endpoints: ['cilium-dbg', 'endpoint', 'list'],
      services: ['cilium-dbg', 'service', 'list'],
      ipcache: ['cilium-dbg', 'bpf', 'ipcache', 'list'],
      policies: ['cilium-dbg', 'bpf', 'policy', 'get', '--all', '--numeric'],
    },
    objects: ['CiliumNode', 'CiliumEndpoint', 'CiliumIdentity', 'CiliumNetworkPolicy'].map((kind) => ({
      apiVersion: 'cilium.io/v2',
      kind,
    })),
  },

  async install(context) {
    const { manifests, kubernetes, kube } = context
    const [helm, file] = [manifests['helm'], manifests[chart]]
    if (helm === undefined || file === undefined)
      throw new Error(`the image provider brought no ${chart} or helm`)
    const text = await renderChart(helm, file, {
      name: 'cilium',
      namespace,
      kubernetes,
      values: valuesOf(context),
    })
    await kube.apply(kube.parse(text))
  },

  // Not Ready: the readiness probe looks every 30 s. This is what it asks.
  async ready(context) {
    await awaitAgents('Cilium', pods, context, (node) =>
      askHealth(context.runOnNode, node, 'http://127.0.0.1:9879/healthz', 'brief: true'),
    )
  },

  async identify({ runOnNode, network }, node) {
    const [text, tunnels, mtu] = await Promise.all([
      runInContainer(runOnNode, node, pods.container, ['cilium-dbg', 'status', '--output', 'json']),
      tunnelsOf(runOnNode, node),
      // The pods' interfaces have the node's MTU; what fits into the tunnel, the routes say.
      routeMtu(runOnNode, node, network.podSubnet),
    ])
    const { cilium, routing, masquerading, ...status } = statusSchema.parse(JSON.parse(text))
    const { mode } = status['kube-proxy-replacement']
    return {
      version: /v\d+\.\d+\.\d+/.exec(cilium.msg)?.[0] ?? cilium.msg,
      encapsulation:
        routing['inter-host-routing-mode'] === 'Tunnel' ? (routing['tunnel-protocol'] ?? 'unknown') : 'none',
      dataPlane: `eBPF; ${pathsText(tunnels)}${mtu === undefined ? '' : `, route MTU ${mtu}`}; masquerading by ${masquerading.mode ?? 'nobody'}`,
      ...(mode === 'True' ? { kubeProxyReplacement: 'Cilium serves Services' } : {}),
    }
  },
}

/** https://docs.cilium.io/en/v1.19/helm-reference/ */
function valuesOf({ network, controlPlane }: CniContext): Record<string, unknown> {
  const alone = network.kubeProxy === 'none'
  return {
    // By tag: an image that was built here has not the digest of the chart.
    image: { useDigest: false },
    operator: { replicas: 1, image: { useDigest: false } },
    ipam: { mode: 'kubernetes' },
    ipv4: { enabled: true },
    ipv6: { enabled: network.ipFamily === 'dual' },
    routingMode: 'tunnel',
    tunnelProtocol: 'vxlan',
    kubeProxyReplacement: alone,
    // Without kube-proxy nobody serves the API server's ClusterIP before the agent does.
    ...(alone ? { k8sServiceHost: controlPlane, k8sServicePort: 6443 } : {}),
    // By itself an agent gives a network to four pods, then to one in two seconds, and on a busy machine to one in twelve. We
    // start more than that at once. https://docs.cilium.io/en/v1.19/configuration/api-rate-limiting/
    apiRateLimit: 'endpoint-create=rate-limit:10/s,rate-burst:16,auto-adjust:false',
    l7Proxy: false,
    envoy: { enabled: false },
    hubble: { enabled: false },
  }
}
