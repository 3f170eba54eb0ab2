import type { V1ResourceQuota } from '@kubernetes/client-node'
import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { isNotFound } from '../../helpers/kube.ts'
import type { Fault, FaultContext } from './fault.ts'

/** Who does for the whole cluster what no agent does, by CNI. */
const controllers: Readonly<Record<string, string>> = {
  calico: 'calico-kube-controllers',
  cilium: 'cilium-operator',
}

async function scaleController({ kube, cni }: FaultContext, replicas: number): Promise<void> {
  const target = { name: controllers[cni.name] ?? '', namespace: 'kube-system' }
  const scale = await kube.apps.readNamespacedDeploymentScale(target)
  scale.spec = { replicas }
  await kube.apps.replaceNamespacedDeploymentScale({ ...target, body: scale })
}

const controllerAtZero: Fault = {
  id: 'cni-controller-at-zero',
  breaks: "The network's controller or operator is scaled to 0.",
  needs: { cnis: Object.keys(controllers) },
  red: () => ['cni/workloads/ready'],
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => scaleController(context, 0),
  vacuous: async () => undefined,
  heal: (context) => scaleController(context, 1),
}

const quota = { name: 'no-more-pods', namespace: 'kube-flannel' }

const agentMissing: Fault = {
  id: 'cni-agent-missing',
  breaks:
    'One worker has no agent of the network, and none can be made: a quota of its namespace is used up.',
  needs: { cnis: ['flannel'] },
  red: () => ['cni/agent/healthy', 'cni/workloads/ready'],
  inconclusive: ['cni/declared/version'],
  outcome: 'failed',
  when: 'before-run',
  async inject({ kube, workers: [, node] }) {
    const object: V1ResourceQuota = {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: quota,
      spec: { hard: { pods: '0' } },
    }
    await kube.apply([object])
    const selected = { namespace: quota.namespace, fieldSelector: `spec.nodeName=${node}` }
    const { items } = await kube.core.listNamespacedPod(selected)
    await Promise.all(
      items.map(({ metadata }) =>
        kube.core.deleteNamespacedPod({
          name: metadata?.name ?? '',
          namespace: quota.namespace,
          gracePeriodSeconds: 1,
        }),
      ),
    )
    await awaitUntil(
      async () => {
        const left = (await kube.core.listNamespacedPod(selected)).items.length
        return left === 0 ? { done: true, value: undefined } : { done: false, seen: `${left} agents` }
      },
      { what: 'the agent to go', budget: budgets.faultMs, next: 'look at the pods of kube-flannel' },
    )
  },
  vacuous: async () => undefined,
  async heal({ kube }) {
    await kube.core.deleteNamespacedResourceQuota(quota).catch((error: unknown) => {
      if (!isNotFound(error)) throw error
    })
  },
}

/** Faults of what keeps the network running. */
export const workloadFaults: readonly Fault[] = [controllerAtZero, agentMissing]
