import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import type { Fault, FaultContext } from './fault.ts'
import { packetFilterFault } from './packet-filter.ts'
import { addressOf } from './node-address.ts'
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
  red: () => [
    ...dnsAnswers,
    'dns/{search-path,policy/{none,host-network}}',
    'service/name/*',
    'service/{headless,external-name}',
    'egress/api-server/name',
  ],
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

/** The file on the node that is mounted as /etc/resolv.conf into all containers of a pod. */
const resolvConfOf = async (context: FaultContext, pod: Victim): Promise<string> =>
  `/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/${await sandboxOf(context, pod)}/resolv.conf`

/** A pod, and whose file it has in place of its own: that of another pod of its node, or that of the node. */
interface Swap {
  pod: Victim
  from: Victim | 'node'
}

/** A fault of what the kubelets have written into pods. */
function resolvConfSwapped(about: Pick<Fault, 'id' | 'breaks' | 'red'>, swaps: readonly Swap[]): Fault {
  const nodeOf = ({ workers }: FaultContext, { node }: Victim): string => workers[node === 'worker1' ? 0 : 1]
  return {
    ...about,
    outcome: 'failed',
    when: 'before-run',
    // cp writes into the same inode, which the mount holds on to.
    async inject(context) {
      for (const { pod, from } of swaps) {
        const file = await resolvConfOf(context, pod)
        const other = from === 'node' ? '/etc/resolv.conf' : await resolvConfOf(context, from)
        await context.runOnNode(nodeOf(context, pod), ['cp', file, `${file}.whole`])
        await context.runOnNode(nodeOf(context, pod), ['cp', other, file])
      }
    },
    vacuous: async () => undefined,
    async heal(context) {
      for (const { pod } of swaps) {
        const file = await resolvConfOf(context, pod)
        await context.runOnNode(nodeOf(context, pod), ['cp', `${file}.whole`, file])
        await context.runOnNode(nodeOf(context, pod), ['rm', `${file}.whole`])
      }
    },
  }
}

const ordinary = {
  worker1: { node: 'worker1', name: 'worker1-a' },
  worker2: { node: 'worker2', name: 'worker2-a' },
} as const

const resolvConfReplaced = resolvConfSwapped(
  {
    id: 'resolv-conf-replaced',
    breaks: "One pod has its node's resolv.conf instead of the cluster's.",
    red: () => [
      'dns/{resolv-conf,search-path}',
      'service/name/{short,namespaced,fqdn}',
      'service/{headless,external-name}',
      'egress/api-server/name',
    ],
  },
  [{ pod: ordinary.worker1, from: 'node' }],
)

const policiesIgnored = resolvConfSwapped(
  {
    id: 'dns-policies-ignored',
    breaks: 'Pods with DNS settings of their own have those of other pods, and one that wants these has not.',
    red: () => ['dns/policy/*'],
  },
  [
    { pod: { node: 'worker1', name: 'worker1-host' }, from: 'node' },
    { pod: { node: 'worker2', name: 'worker2-host' }, from: ordinary.worker2 },
    { pod: { node: 'worker1', name: 'worker1-other' }, from: ordinary.worker1 },
  ],
)

/** Answers a DNS question after a while, with what a DNS server says; on the node, past what the pod's packets meet. */
const slowServer = `
setsid socat -t 2 "UDP4-RECVFROM:$1,bind=$2,fork" "SYSTEM:sleep 0.3; exec socat -t 2 - UDP4-SENDTO\\\\:$3\\\\:53" </dev/null >/dev/null 2>&1 &
echo $!`
/** Of the node's ports one that nobody has. */
const slowPort = '61053'

/** A name within a DNS question as bytes: each label after its length. */
const labels = (...names: readonly string[]): string =>
  names.map((name) => `|${name.length.toString(16).padStart(2, '0')}|${name}`).join('')

const questionsWith = '-p udp --dport 53 -m string --algo bm --hex-string'.split(' ')

function answersSlow(): Fault {
  let pid = ''
  const pod = ordinary.worker1
  // Only questions for the name that is timed: two hundred others at once would start as many programs.
  const led = packetFilterFault(({ world, workers: [node] }) => [
    {
      pod,
      table: 'nat',
      chain: 'OUTPUT',
      match: [
        ...questionsWith,
        labels(pod.name, world.namespaces.main),
        '-j',
        'DNAT',
        '--to-destination',
        `${addressOf(world, node)}:${slowPort}`,
      ],
    },
  ])
  return {
    id: 'dns-slow',
    breaks: 'Answers of the DNS Service to one pod take 0.3 s more.',
    red: () => ['dns/latency'],
    stepped: ['dns/latency'],
    ...led,
    async inject(context) {
      const { world, workers } = context
      const [node] = workers
      const words = [slowPort, addressOf(world, node), world.dns.servers[0]?.ip ?? '']
      pid = (await context.runOnNode(node, ['bash', '-c', slowServer, 'bash', ...words])).trim()
      await led.inject(context)
    },
    async heal(context) {
      await led.heal(context)
      await context.runOnNode(context.workers[0], ['kill', pid])
    },
  }
}

/** Faults of name resolution. */
export const dnsFaults: readonly Fault[] = [coreDnsAtZero, resolvConfReplaced, policiesIgnored, answersSlow()]
