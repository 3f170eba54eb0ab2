import { z } from 'zod'
import { inContainer } from '../../helpers/nodes.ts'
import { dnsAnswers } from './dns-faults.ts'
import type { Fault, FaultContext } from './fault.ts'
import { acrossWorkers, byChanceAcross, dnsAcrossWorkers } from './path-faults.ts'
import { tunnelPassedBy } from './route-fault.ts'

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
  about: Pick<Fault, 'id' | 'breaks' | 'needs' | 'red' | 'either'>,
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
    either: byChanceAcross,
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
  // Wherever CoreDNS runs, one of the workers does not reach it.
  red: () => [
    ...acrossWorkers,
    'pod-to-pod/cross-node/delivery-{there,back}',
    // The control plane, at which they are asked, has no way to the pods of that worker either.
    'service/external-traffic-policy/no-endpoint/*',
    ...dnsAnswers,
    'cni/declared/encapsulation',
    'cni/other-nodes/known',
  ],
  either: byChanceAcross,
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => setTunnel(context, 'down'),
  async vacuous({ runOnNode, workers: [node] }) {
    const link = await runOnNode(node, ['ip', '-o', 'link', 'show', 'cilium_vxlan'])
    return link.includes(',UP') ? `it is up again: ${link.trim()}` : undefined
  },
  heal: (context) => setTunnel(context, 'up'),
}

/** Faults of what leads from one node to the pods of another. */
export const tunnelFaults: readonly Fault[] = [
  fdbEntryRemoved,
  ipcacheEntryRemoved,
  tunnelPassedBy({ needs: { cnis: Object.keys(tunnels), encapsulation: 'vxlan' } }),
  tunnelDown,
]
