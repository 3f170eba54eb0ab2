import { Address4 } from 'ip-address'
import { z } from 'zod'
import type { Kube } from '../../helpers/kube.ts'
import {
  unreadLook,
  type CniLook,
  type LookContext,
  type Trace,
  type TracedPod,
} from '../../helpers/network-look.ts'
import { interfaceTraces, linksIn, routeTraces, showLinks, showRoutesTo } from '../../helpers/node-facts.ts'
import { outputOf, runEach, type Said } from '../../helpers/nodes.ts'

const apiVersion = 'crd.projectcalico.org/v1'

/** Prints every chain of the filter table that Felix writes: with nft where its own chain is found there, else with legacy. */
const showChains: readonly string[] = [
  'bash',
  '-c',
  'if iptables-nft -w 5 -S cali-FORWARD >/dev/null 2>&1; then exec iptables-nft -w 5 -S; else exec iptables-legacy -w 5 -S; fi',
]

/** Names of the chains in the output of {@link showChains}. */
const chainsIn = (said: Said): string[] =>
  outputOf(said)
    .split('\n')
    .flatMap((line) => /^-N (cali-\S+)/.exec(line)?.[1] ?? [])

const blocksSchema = z.array(
  z.object({
    spec: z.object({
      cidr: z.string(),
      /** `host:<node>` */
      affinity: z.string().optional(),
      /** For each address of the block, in order, the index of what is known of it. */
      allocations: z.array(z.number().nullable()),
      attributes: z.array(z.object({ secondary: z.record(z.string(), z.string()).optional() })),
    }),
  }),
)

/** An address that is given away. */
interface Allocation {
  block: string
  ip: string
  /** `namespace/name`, where it is a pod's. */
  pod: string | undefined
}

async function readBlocks(kube: Kube): Promise<z.output<typeof blocksSchema>> {
  return blocksSchema.parse(await kube.list(apiVersion, 'IPAMBlock'))
}

function allocationsIn(blocks: z.output<typeof blocksSchema>): Allocation[] {
  return blocks.flatMap(({ spec: { cidr, allocations, attributes } }) => {
    const first = new Address4(cidr).startAddress().bigInt()
    return allocations.flatMap((attribute, ordinal): Allocation[] => {
      if (attribute === null) return []
      const { namespace, pod } = attributes[attribute]?.secondary ?? {}
      const ip = Address4.fromBigInt(first + BigInt(ordinal)).correctForm()
      return [{ block: cidr, ip, pod: pod === undefined ? undefined : `${namespace}/${pod}` }]
    })
  })
}

async function traces({ runOnNode, kube }: LookContext, pod: TracedPod): Promise<Trace[]> {
  const [said, blocks] = await Promise.all([
    runEach(runOnNode, pod.node, {
      links: showLinks,
      routes: showRoutesTo(pod.ip),
      chains: showChains,
    }),
    readBlocks(kube),
  ])
  const { hostInterface } = pod
  const own =
    hostInterface === undefined ? [] : ['tw', 'fw'].map((way) => `cali-${way}-${hostInterface.name}`)
  return [
    ...interfaceTraces(linksIn(said.links), pod),
    ...routeTraces(said.routes),
    ...chainsIn(said.chains)
      .filter((chain) => own.includes(chain))
      .map((chain): Trace => ({ kind: 'endpoint', name: `Felix's chain ${chain}` })),
    ...allocationsIn(blocks)
      // Its address may be another pod's by now.
      .filter((each) => each.ip === pod.ip && [`${pod.namespace}/${pod.name}`, undefined].includes(each.pod))
      .map(({ block, ip }): Trace => ({ kind: 'address', name: `${ip} in IPAMBlock ${block}` })),
  ]
}

/** How Calico is looked at. */
export const look: CniLook = {
  workloads: [
    { kind: 'DaemonSet', namespace: 'kube-system', name: 'calico-node' },
    { kind: 'Deployment', namespace: 'kube-system', name: 'calico-kube-controllers' },
  ],
  node: async () => unreadLook('not looked at yet'),
  traces,
}
