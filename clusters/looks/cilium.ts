import { z } from 'zod'
import type { Kube } from '../../helpers/kube.ts'
import {
  unreadLook,
  type CniLook,
  type LookContext,
  type Trace,
  type TracedPod,
} from '../../helpers/network-look.ts'
import { interfaceTraces, linksIn, showLinks } from '../../helpers/node-facts.ts'
import { inContainer, outputOf, runEach, type Said } from '../../helpers/nodes.ts'

const container = 'cilium-agent'

/** Asks the agent through its socket, which lies on the node: https://docs.cilium.io/en/v1.19/api/ */
const askAgent = (path: string): readonly string[] => [
  'curl',
  '--silent',
  '--show-error',
  '--fail',
  '--unix-socket',
  '/var/run/cilium/cilium.sock',
  `http://localhost/v1/${path}`,
]

const inAgent = (...argv: string[]): readonly string[] => inContainer(container, argv)

/** The agent's status, as far as it is read here. */
const statusSchema = z.object({
  ipam: z.object({
    /** Address -> whose it is: `namespace/pod`, or a word such as `router`. */
    allocations: z.record(z.string(), z.string()).default({}),
  }),
})

const endpointsSchema = z.array(
  z.object({
    id: z.number(),
    status: z.object({
      'external-identifiers': z
        .object({ 'k8s-namespace': z.string().optional(), 'k8s-pod-name': z.string().optional() })
        .default({}),
      networking: z
        .object({
          addressing: z
            .array(z.object({ ipv4: z.string().optional(), ipv6: z.string().optional() }))
            .default([]),
        })
        .default({ addressing: [] }),
      state: z.string(),
    }),
  }),
)

interface Endpoint {
  id: number
  pod: string
  addresses: string[]
  state: string
}

function endpointsIn(said: Said): Endpoint[] {
  return endpointsSchema.parse(JSON.parse(outputOf(said))).flatMap(({ id, status }) => {
    const { 'k8s-namespace': namespace, 'k8s-pod-name': name } = status['external-identifiers']
    if (name === undefined) return []
    const addresses = status.networking.addressing.flatMap(({ ipv4, ipv6 }) =>
      [ipv4 ?? [], ipv6 ?? []].flat(),
    )
    return [{ id, pod: `${namespace}/${name}`, addresses, state: status.state }]
  })
}

/** Of the data plane: address of a pod of this node -> what is known of it. */
const localSchema = z.record(z.string(), z.unknown())

/** Names of the CiliumEndpoints that belong to a pod of this uid. */
async function endpointObjects(kube: Kube, uid: string): Promise<string[]> {
  const objects = await kube.list('cilium.io/v2', 'CiliumEndpoint')
  return objects
    .filter(({ metadata }) => metadata?.ownerReferences?.some((owner) => owner.uid === uid) === true)
    .map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`)
}

async function traces({ runOnNode, kube }: LookContext, pod: TracedPod): Promise<Trace[]> {
  const fullName = `${pod.namespace}/${pod.name}`
  const [said, objects] = await Promise.all([
    runEach(runOnNode, pod.node, {
      links: showLinks,
      endpoints: askAgent('endpoint'),
      status: askAgent('healthz'),
      local: inAgent('cilium-dbg', 'bpf', 'endpoint', 'list', '--output', 'json'),
    }),
    endpointObjects(kube, pod.uid),
  ])
  const { ipam } = statusSchema.parse(JSON.parse(outputOf(said.status)))
  const local = Object.keys(localSchema.parse(JSON.parse(outputOf(said.local))))
  const owner = ipam.allocations[pod.ip]
  const endpoint = (name: string): Trace => ({ kind: 'endpoint', name })
  const listed = endpointsIn(said.endpoints)
  return [
    ...interfaceTraces(linksIn(said.links), pod),
    ...listed
      .filter((each) => each.pod === fullName && each.addresses.includes(pod.ip))
      .map(({ id }) => endpoint(`endpoint ${id} of the agent`)),
    ...objects.map((name) => endpoint(`CiliumEndpoint ${name}`)),
    ...local
      .map((key) => key.replace(/:\d+$/, ''))
      .filter(
        (ip) => ip === pod.ip && !listed.some((each) => each.pod !== fullName && each.addresses.includes(ip)),
      )
      .map((ip) => endpoint(`${ip} in the eBPF map of endpoints`)),
    ...(owner === fullName || owner === pod.name
      ? [{ kind: 'address' as const, name: `${pod.ip} given to ${owner} by the agent's IPAM` }]
      : []),
  ]
}

/** How Cilium is looked at. */
export const look: CniLook = {
  workloads: [
    { kind: 'DaemonSet', namespace: 'kube-system', name: 'cilium' },
    { kind: 'Deployment', namespace: 'kube-system', name: 'cilium-operator' },
  ],
  node: async () => unreadLook('not looked at yet'),
  traces,
}
