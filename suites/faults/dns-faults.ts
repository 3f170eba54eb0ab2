import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import type { Fault, FaultContext } from './fault.ts'
import { sandboxOf, type Victim } from './sandbox.ts'

/** Checks that ask a DNS server for a record. */
export const dnsAnswers: readonly string[] = [
  'dns/service-ip/*',
  'dns/each-server/*',
  'coverage/every-node/dns',
]

const coreDnsAtZero: Fault = {
  id: 'coredns-at-zero',
  breaks: 'CoreDNS is scaled to 0.',
  red: () => [...dnsAnswers, 'service/name/*', 'service/{headless,external-name}', 'egress/api-server/name'],
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => scaleCoreDns(context, 0),
  vacuous: async ({ session }) =>
    (await session.world()).dns.servers.length === 0 ? undefined : 'CoreDNS pods still run',
  heal: (context) => scaleCoreDns(context, 2),
}

async function scaleCoreDns({ kube }: FaultContext, replicas: number): Promise<void> {
  const target = { name: 'coredns', namespace: 'kube-system' }
  const scale = await kube.apps.readNamespacedDeploymentScale(target)
  scale.spec = { replicas }
  await kube.apps.replaceNamespacedDeploymentScale({ ...target, body: scale })
  await awaitUntil(
    async () => {
      const [{ items }, { status }] = await Promise.all([
        kube.core.listNamespacedPod({ namespace: target.namespace, labelSelector: 'k8s-app=kube-dns' }),
        kube.apps.readNamespacedDeployment(target),
      ])
      // Terminating pods still answer, and kube-proxy falls back to them: at 0 they must be gone altogether.
      const done = items.length === replicas && (status?.readyReplicas ?? 0) === replicas
      return done ? { done, value: undefined } : { done: false, seen: `${items.length} CoreDNS pods` }
    },
    { what: `CoreDNS at ${replicas}`, budget: budgets.faultMs, next: 'look at the CoreDNS pods' },
  )
}

const victim: Victim = { node: 'worker1', name: 'worker1-a' }

/** The file on the node that is mounted as /etc/resolv.conf into both containers of a pod. */
async function resolvConfOf(context: FaultContext): Promise<string> {
  const sandbox = await sandboxOf(context, victim)
  return `/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/${sandbox}/resolv.conf`
}

const resolvConfReplaced: Fault = {
  id: 'resolv-conf-replaced',
  breaks: "One pod has its node's resolv.conf instead of the cluster's.",
  red: () => [
    'dns/resolv-conf',
    'service/name/{short,namespaced,fqdn}',
    'service/{headless,external-name}',
    'egress/api-server/name',
  ],
  outcome: 'failed',
  when: 'before-run',
  // cp writes into the same inode, which the mount holds on to.
  async inject(context) {
    const [node] = context.workers
    const file = await resolvConfOf(context)
    await context.runOnNode(node, ['cp', file, `${file}.whole`])
    await context.runOnNode(node, ['cp', '/etc/resolv.conf', file])
  },
  vacuous: async () => undefined,
  async heal(context) {
    const [node] = context.workers
    const file = await resolvConfOf(context)
    await context.runOnNode(node, ['cp', `${file}.whole`, file])
    await context.runOnNode(node, ['rm', `${file}.whole`])
  },
}

/** Faults of name resolution. */
export const dnsFaults: readonly Fault[] = [coreDnsAtZero, resolvConfReplaced]
