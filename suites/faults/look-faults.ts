import type { V1ResourceQuota } from '@kubernetes/client-node'
import { z } from 'zod'
import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { apiMessage } from '../../helpers/kube.ts'
import { inContainer, runInContainer } from '../../helpers/nodes.ts'
import type { Fault, FaultContext, Ground } from './fault.ts'
import { packetFilterFault } from './packet-filter.ts'
import { acrossWorkers, dnsAcrossWorkers } from './path-faults.ts'
import { tunnelPassedBy } from './route-fault.ts'
import { runInPodNetwork, type Victim } from './sandbox.ts'

/** Asks others and is asked by nobody: what breaks its own side of a path breaks no other check. */
const bystander: Victim = { node: 'worker2', name: 'worker2-other' }

const linkSchema = z.array(
  z.object({ ifname: z.string(), ifindex: z.number(), link_index: z.number().optional() }),
)

async function hostEnd(context: FaultContext): Promise<string> {
  const [, node] = context.workers
  const inside = linkSchema.parse(
    JSON.parse(await runInPodNetwork(context, bystander, ['ip', '-json', 'link', 'show', 'eth0'])),
  )
  const links = linkSchema.parse(JSON.parse(await context.runOnNode(node, ['ip', '-json', 'link', 'show'])))
  const found = links.find(({ ifindex }) => ifindex === inside[0]?.link_index)
  if (found === undefined) throw new Error(`no interface of ${node} is the other end of ${bystander.name}`)
  return found.ifname
}

function hostEndRenamed(): Fault {
  let name = ''
  const newName = 'renamed0'
  const rename = async ({ runOnNode, workers: [, node] }: FaultContext, from: string, to: string) => {
    await runOnNode(node, ['ip', 'link', 'set', 'dev', from, 'name', to])
  }
  return {
    id: 'host-end-renamed',
    breaks: "The node's end of one pod's interface has a name that is not the network's.",
    // Felix's entries for a pod go by that name.
    red: ({ cni = 'calico' }) => [
      'pod/interface/host-end',
      ...(cni === 'calico' ? ['cni/endpoints/listed'] : []),
    ],
    outcome: 'failed',
    when: 'before-run',
    async inject(context) {
      name = await hostEnd(context)
      await rename(context, name, newName)
    },
    async vacuous(context) {
      const seen = await hostEnd(context)
      return seen === newName ? undefined : `it is called ${seen}`
    },
    heal: (context) => rename(context, newName, name),
  }
}

/** Names of the agents' programs, as the kernel keeps them. */
const agents = 'flanneld|calico-node|cilium-agent'

const signalAgent = async ({ runOnNode, workers: [, node] }: FaultContext, signal: string): Promise<void> => {
  await runOnNode(node, ['pkill', signal, '-x', agents])
}

/** Checks that can say nothing while an agent is silent: what Cilium tells of itself, its agent tells; the others' state lies in the kernel and in files. */
export const silentAgent = ({ cni }: Ground): readonly string[] =>
  cni.name === 'cilium'
    ? ['cni/declared/{version,encapsulation}', 'cni/other-nodes/known', 'cni/endpoints/listed']
    : []

const agentPaused: Fault = {
  id: 'cni-agent-paused',
  breaks: "The network's agent is paused on one worker.",
  red: () => ['cni/agent/healthy'],
  inconclusive: silentAgent,
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => signalAgent(context, '-STOP'),
  async vacuous({ runOnNode, workers: [, node] }) {
    const paused = await runOnNode(node, ['pgrep', '-c', '-r', 'T', '-x', agents]).catch(() => '0')
    return Number(paused) > 0 ? undefined : 'the agent runs'
  },
  heal: (context) => signalAgent(context, '-CONT'),
}

const kubeProxyHidden: Fault = {
  id: 'kube-proxy-hidden',
  breaks: 'Nobody listens where kube-proxy of one worker says in which mode it runs.',
  red: () => ['cni/declared/kube-proxy'],
  ...packetFilterFault(({ workers: [node] }) => [
    {
      node,
      table: 'filter',
      chain: 'OUTPUT',
      match: ['-o', 'lo', '-p', 'tcp', '--dport', '10249', '-j', 'REJECT', '--reject-with', 'tcp-reset'],
    },
  ]),
}

/** The agent's container, and its program, by CNI. */
const programs: Readonly<Record<string, { container: string; program: string }>> = {
  flannel: { container: 'kube-flannel', program: '/opt/bin/flanneld' },
  calico: { container: 'calico-node', program: 'calico-node' },
  cilium: { container: 'cilium-agent', program: 'cilium-agent' },
}

const swapScript = `
program=$(command -v "$1") && mv "$program" "$program.whole" &&
printf '#!/bin/sh\\necho v0.0.0\\n' >"$program" && chmod 0755 "$program"`
const swapBackScript = 'program=$(command -v "$1") && mv "$program.whole" "$program"'

const changeProgram = async (
  { runOnNode, workers: [node], cni }: FaultContext,
  script: string,
): Promise<void> => {
  const found = programs[cni.name]
  if (found === undefined) throw new Error(`the program of ${cni.name} is not known`)
  await runInContainer(runOnNode, node, found.container, ['sh', '-c', script, 'sh', found.program])
}

const agentReplaced: Fault = {
  id: 'cni-agent-replaced',
  breaks:
    "The program of the network's agent is another version on one worker, as in an upgrade that stopped halfway.",
  needs: { cnis: Object.keys(programs) },
  red: () => ['cni/declared/version'],
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => changeProgram(context, swapScript),
  vacuous: async () => undefined,
  heal: (context) => changeProgram(context, swapBackScript),
}

/** What leads from one worker to the pods of another: taken away, and put back as it was. */
interface Entry {
  take: readonly string[]
  give: readonly string[]
}

const fdbSchema = z.array(z.looseObject({ mac: z.string(), dst: z.string().optional() }))
const tunnels: Readonly<Record<string, string>> = { flannel: 'flannel.1', calico: 'vxlan.calico' }

async function fdbEntries({ runOnNode, workers: [here, there], world, cni }: FaultContext): Promise<Entry[]> {
  const device = tunnels[cni.name] ?? ''
  const address = world.nodes.find(({ name }) => name === there)?.address ?? ''
  const entries = fdbSchema.parse(
    JSON.parse(await runOnNode(here, ['bridge', '-json', 'fdb', 'show', 'dev', device])),
  )
  return entries
    .filter(({ dst }) => dst === address)
    .map(({ mac }) => ({
      take: ['bridge', 'fdb', 'del', mac, 'dev', device, 'dst', address],
      give: ['bridge', 'fdb', 'replace', mac, 'dev', device, 'dst', address, 'self', 'permanent'],
    }))
}

const ipcacheSchema = z.record(z.string(), z.array(z.string()))

/** That of the whole range of a node; the pods that Cilium knows have entries of their own. */
async function ipcacheEntries({ runOnNode, workers: [here, there], world }: FaultContext): Promise<Entry[]> {
  const { address, podCIDR } = world.nodes.find(({ name }) => name === there) ?? {}
  const change = (...argv: string[]) => inContainer('cilium-agent', ['cilium-dbg', 'bpf', 'ipcache', ...argv])
  const all = ipcacheSchema.parse(JSON.parse(await runOnNode(here, change('list', '--output', 'json'))))
  const identity = /identity=(\d+)/.exec(all[podCIDR ?? '']?.join(' ') ?? '')?.[1]
  if (podCIDR === undefined || address === undefined || identity === undefined) return []
  return [
    {
      take: change('delete', podCIDR),
      give: change('update', podCIDR, '--tunnelendpoint', address, '--identity', identity),
    },
  ]
}

function entryRemoved(
  about: Pick<Fault, 'id' | 'breaks' | 'needs' | 'red'>,
  find: (context: FaultContext) => Promise<Entry[]>,
): Fault {
  let removed: Entry[] = []
  return {
    ...about,
    outcome: 'failed',
    when: 'before-run',
    async inject(context) {
      removed = await find(context)
      for (const { take } of removed) await context.runOnNode(context.workers[0], take)
    },
    async vacuous(context) {
      if (removed.length === 0) return 'there was no such entry'
      return (await find(context)).length === 0 ? undefined : 'the entry came back by itself'
    },
    async heal(context) {
      for (const { give } of removed) await context.runOnNode(context.workers[0], give)
    },
  }
}

const fdbEntryRemoved = entryRemoved(
  {
    id: 'fdb-entry-removed',
    breaks: 'The tunnel of the first worker does not know behind which node the pods of the second are.',
    needs: { cnis: Object.keys(tunnels), encapsulation: 'vxlan' },
    red: (world) => [
      ...acrossWorkers,
      'pod-to-pod/cross-node/delivery-there',
      ...dnsAcrossWorkers(world),
      'cni/other-nodes/known',
    ],
  },
  fdbEntries,
)

const ipcacheEntryRemoved = entryRemoved(
  {
    id: 'ipcache-entry-removed',
    breaks:
      'The first worker has no entry for the range of the second; new pods there would be out of reach.',
    needs: { cnis: ['cilium'] },
    red: () => ['cni/other-nodes/known'],
  },
  ipcacheEntries,
)

const setTunnel = async ({ runOnNode, workers: [node] }: FaultContext, state: string): Promise<void> => {
  await runOnNode(node, ['ip', 'link', 'set', 'dev', 'cilium_vxlan', state])
}

const tunnelDown: Fault = {
  id: 'tunnel-down',
  breaks: 'The interface that wraps packets is down on the first worker.',
  needs: { cnis: ['cilium'], encapsulation: 'vxlan' },
  red: (world) => [
    ...acrossWorkers,
    'pod-to-pod/cross-node/delivery-{there,back}',
    ...dnsAcrossWorkers(world),
    'cni/declared/encapsulation',
    'cni/other-nodes/known',
  ],
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => setTunnel(context, 'down'),
  async vacuous({ runOnNode, workers: [node] }) {
    const link = await runOnNode(node, ['ip', '-o', 'link', 'show', 'cilium_vxlan'])
    return link.includes(',UP') ? `it is up again: ${link.trim()}` : undefined
  },
  heal: (context) => setTunnel(context, 'up'),
}

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
      if (!apiMessage(error).startsWith('HTTP 404')) throw error
    })
  },
}

/** Faults of what the network shows of itself. */
export const lookFaults: readonly Fault[] = [
  hostEndRenamed(),
  agentPaused,
  agentReplaced,
  kubeProxyHidden,
  fdbEntryRemoved,
  ipcacheEntryRemoved,
  tunnelPassedBy({ needs: { cnis: Object.keys(tunnels), encapsulation: 'vxlan' } }),
  tunnelDown,
  controllerAtZero,
  agentMissing,
]
