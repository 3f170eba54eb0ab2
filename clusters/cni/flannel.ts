import { readFile } from 'node:fs/promises'
import type { KubernetesObject } from '@kubernetes/client-node'
import { SetupError } from '../../helpers/errors.ts'
import { runInContainer } from '../../helpers/nodes.ts'
import { awaitAgents } from '../cni-agents.ts'
import { encapsulationOf, pathsBetweenNodes, pathsText } from '../node-network.ts'
import { look } from '../looks/flannel.ts'
import type { Cni, CniContext } from './cni.ts'

const manifestName = 'kube-flannel.yml'
/** flanneld writes what its CNI plugin has to know into this file when its node has a lease. */
const readSubnet = ['cat', '/run/flannel/subnet.env']

interface NetConf {
  Network: string
  Backend: { Type: string }
}

const pods = { namespace: 'kube-flannel', labelSelector: 'app=flannel', container: 'kube-flannel' }

/** Flannel from its upstream manifest; only the pod CIDR and the backend of its net-conf.json are ours. */
export const cni: Cni = {
  traits: {
    encapsulations: ['vxlan', 'host-gw'],
    ipFamilies: ['ipv4'],
    replacesKubeProxy: false,
    kernel: [],
    memoryPerNodeMiB: 40,
    installers: { manifests: {} },
  },
  pods,
  hostInterface: 'veth',
  look,
  evidence: { commands: { subnet: readSubnet }, objects: [] },

  async install(context) {
    const file = context.manifests[manifestName]
    if (file === undefined) throw new Error(`the image provider brought no ${manifestName}`)
    const objects = context.kube.parse(await readFile(file, 'utf8'))
    await context.kube.apply(objects.map((object) => withNetConf(object, context)))
  },

  // Not Ready: Flannel's readiness probe looks every 10 s. A pod that comes before subnet.env goes into a back-off.
  async ready(context) {
    await awaitAgents('Flannel', pods, context, (node) => context.runOnNode(node, readSubnet))
  },

  async identify({ runOnNode, network }, node) {
    const [version, paths] = await Promise.all([
      // It tells its version on standard error.
      runInContainer(runOnNode, node, pods.container, ['sh', '-c', '/opt/bin/flanneld --version 2>&1']),
      pathsBetweenNodes(runOnNode, node, network.podSubnet),
    ])
    return {
      version: version.trim(),
      encapsulation: encapsulationOf(paths, 'host-gw'),
      dataPlane: pathsText(paths),
    }
  },
}

function withNetConf(object: KubernetesObject, context: CniContext): KubernetesObject {
  if (object.kind !== 'ConfigMap' || object.metadata?.name !== 'kube-flannel-cfg') return object
  const { data } = object as KubernetesObject & { data: Record<string, string> }
  const text = data['net-conf.json']
  if (text === undefined) {
    throw new SetupError({
      what: `${manifestName} has no net-conf.json in kube-flannel-cfg`,
      next: 'compare the manifest with the version in clusters/images/lock.yaml',
    })
  }
  const netConf = JSON.parse(text) as NetConf
  netConf.Network = context.network.podSubnet
  netConf.Backend = { ...netConf.Backend, Type: context.encapsulation }
  const changed: KubernetesObject & { data: Record<string, string> } = {
    ...object,
    data: { ...data, 'net-conf.json': JSON.stringify(netConf) },
  }
  return changed
}
