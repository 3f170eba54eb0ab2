import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import type { WorldPod } from '../../helpers/world.ts'
import type { Fault, FaultContext } from './fault.ts'

/** Asks others and is asked by nobody, so that a wrong address of it breaks no path. */
const bystander = 'worker2-other'

/** The two addresses that a pod's status holds: its own and its node's. */
type Field = 'podIP' | 'hostIP'

function bystanderOf({ world }: FaultContext): WorldPod {
  const pod = world.pods.find(({ name }) => name === bystander)
  if (pod === undefined) throw new Error(`no fixture pod ${bystander}`)
  return pod
}

async function statusOf(context: FaultContext) {
  const { name, namespace } = bystanderOf(context)
  const target = { name, namespace: context.world.namespaces[namespace] }
  return { target, pod: await context.kube.core.readNamespacedPodStatus(target) }
}

async function report(context: FaultContext, field: Field, ip: string): Promise<void> {
  const { target, pod } = await statusOf(context)
  pod.status = Object.assign(pod.status ?? {}, { [field]: ip, [`${field}s`]: [{ ip }] })
  await context.kube.core.replaceNamespacedPodStatus({ ...target, body: pod })
}

/** The kubelet compares every 10 s and takes a foreign status back; just after it did, ours has ten seconds. */
async function reportForTenSeconds(context: FaultContext, field: Field, ip: string): Promise<void> {
  await report(context, field, ip)
  await awaitUntil(
    async () => {
      const seen = (await statusOf(context)).pod.status?.[field] ?? 'none'
      return seen === ip ? { done: false, seen } : { done: true, value: undefined }
    },
    { what: 'the kubelet to take the status back', budget: budgets.faultMs, next: 'is the kubelet running?' },
  )
  await report(context, field, ip)
}

interface FalseReport extends Pick<Fault, 'id' | 'breaks' | 'red' | 'either'> {
  field: Field
  says: (context: FaultContext) => string
  truth: (context: FaultContext) => string
}

/** A fault of what the API reports of the bystander. */
function falseReport({ field, says, truth, ...about }: FalseReport): Fault {
  return {
    ...about,
    outcome: 'failed',
    when: 'before-run',
    inject: (context) => reportForTenSeconds(context, field, says(context)),
    // The run reads the API once, at its beginning: what the kubelet takes back after that does not matter.
    async vacuous(_context, outcomes) {
      return outcomes.some(({ outcome }) => outcome === 'failed')
        ? undefined
        : `the kubelet took ${field} back before anybody read it`
    },
    heal: (context) => report(context, field, truth(context)),
  }
}

const nodeAddress = ({ world, workers }: FaultContext, index: 0 | 1): string =>
  world.nodes.find(({ name }) => name === workers[index])?.address ?? ''

/** Faults of what the API reports of a pod. */
export const statusFaults: readonly Fault[] = [
  falseReport({
    id: 'address-outside',
    breaks: 'The API reports an address outside the pod CIDR for one pod, which its interface does not have.',
    red: () => ['pod/address/in-range', 'pod/address/own', 'cni/{endpoints/listed,address-range/of-node}'],
    // Calico believes the API and takes its own address from the pod, which then asks in vain.
    either: ['service/name/other-namespace', 'dns/search-path'],
    field: 'podIP',
    // TEST-NET-1 of RFC 5737: in nobody's pod CIDR.
    says: () => '192.0.2.1',
    truth: (context) => bystanderOf(context).ip,
  }),
  falseReport({
    id: 'runs-elsewhere',
    breaks: 'The API reports another node as the host of a pinned pod.',
    red: () => ['pod/placement'],
    field: 'hostIP',
    says: (context) => nodeAddress(context, 0),
    truth: (context) => nodeAddress(context, 1),
  }),
]
