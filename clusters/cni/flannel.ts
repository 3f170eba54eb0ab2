import { readFile } from 'node:fs/promises'
import type { KubernetesObject, V1Pod } from '@kubernetes/client-node'
import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { SetupError } from '../../helpers/errors.ts'
import { parseManifest } from '../../helpers/kube.ts'
import type { Cni, CniContext } from './cni.ts'

const namespace = 'kube-flannel'
const manifestName = 'kube-flannel.yml'
/** flanneld writes what its CNI plugin has to know into this file when its node has a lease. */
const readSubnet = ['cat', '/run/flannel/subnet.env']

interface NetConf {
  Network: string
  Backend: { Type: string }
}

/** Flannel from its upstream manifest; only the pod CIDR and the backend of its net-conf.json are ours. */
export const flannel: Cni = {
  pods: { namespace, labelSelector: 'app=flannel' },

  async install(context) {
    const file = context.manifests[manifestName]
    if (file === undefined) throw new Error(`the image provider brought no ${manifestName}`)
    const objects = parseManifest(await readFile(file, 'utf8'))
    await context.kube.apply(objects.map((object) => withNetConf(object, context)))
  },

  // Not Ready: Flannel's readiness probe looks every 10 s. A pod that comes before subnet.env goes into a back-off.
  async ready({ kube, nodeCount, runOnNode, onSeen, signal }) {
    await awaitUntil(
      async () => {
        const { items } = await kube.core.listNamespacedPod(flannel.pods)
        const missing = items.flatMap((pod) => notRunningReason(pod) ?? [])
        if (items.length < nodeCount || missing.length > 0) {
          return { done: false, seen: missing.join(', ') || `${items.length} of ${nodeCount} pods` }
        }
        await Promise.all(items.map(({ spec }) => runOnNode(spec?.nodeName ?? '', readSubnet)))
        return { done: true, value: undefined }
      },
      {
        what: 'Flannel to run on every node',
        budget: budgets.cniReadyMs,
        next: 'look at logs/cni.log and events.txt in the evidence folder',
        everyMs: 250,
        ...(onSeen === undefined ? {} : { onSeen }),
        ...(signal === undefined ? {} : { signal }),
      },
    )
  },

  async identify({ encapsulation, runOnNode }, nodes) {
    const [node] = nodes
    if (node === undefined) return { dataPlane: encapsulation }
    const env = await runOnNode(node, readSubnet)
    const mtu = /^FLANNEL_MTU=(\d+)$/m.exec(env)?.[1]
    return {
      dataPlane: encapsulation === 'vxlan' ? 'vxlan, interface flannel.1, UDP port 8472' : encapsulation,
      ...(mtu === undefined ? {} : { mtu: Number(mtu) }),
    }
  },
}

/** Why flanneld of this pod does not run; undefined when it does. */
function notRunningReason({ spec, status }: V1Pod): string | undefined {
  const state = status?.containerStatuses?.[0]?.state
  if (state?.running !== undefined) return undefined
  const reason = state?.waiting?.reason ?? state?.terminated?.reason ?? status?.phase ?? 'unknown'
  return `${spec?.nodeName ?? '-'} ${reason}`
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
  netConf.Network = context.podSubnet
  netConf.Backend = { ...netConf.Backend, Type: context.encapsulation }
  const changed: KubernetesObject & { data: Record<string, string> } = {
    ...object,
    data: { ...data, 'net-conf.json': JSON.stringify(netConf) },
  }
  return changed
}
