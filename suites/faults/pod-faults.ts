import type { V1Pod } from '@kubernetes/client-node'
import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { containers, writeToolsView } from '../../helpers/fixture-pods.ts'
import { apiMessage } from '../../helpers/kube.ts'
import type { Fault, FaultContext } from './fault.ts'
import { fixturesBack } from './fixtures-back.ts'
import { runInContainer, runInPodNetwork, stopContainer, type Victim } from './sandbox.ts'

const victim: Victim = { node: 'worker1', name: 'worker1-a' }

/** Checks that ask the second container over loopback for what the agent cannot see by itself. */
const askTools = ['pod-to-pod/*/{icmp,path-mtu,over-mtu}']

const setLoopback = async (context: FaultContext, state: 'up' | 'down'): Promise<void> => {
  await runInPodNetwork(context, victim, ['ip', 'link', 'set', 'lo', state])
}

const loopbackDown: Fault = {
  id: 'loopback-down',
  breaks: 'The interface lo is down in one fixture pod.',
  // What a pod sends to its own address goes over lo, too: one of the pods behind a headless Service is the asking one.
  red: () => ['loopback/between-containers/*', 'service/headless'],
  inconclusive: askTools,
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => setLoopback(context, 'down'),
  async vacuous(context) {
    const link = await runInPodNetwork(context, victim, ['ip', '-o', 'link', 'show', 'lo'])
    return link.includes(',UP') ? `lo is up: ${link.trim()}` : undefined
  },
  heal: (context) => setLoopback(context, 'up'),
}

const podKilled: Fault = {
  id: 'pod-killed',
  breaks: 'One fixture pod is killed in mid-run: nothing may be called blocked, its rows are unknown.',
  // Everything that binds worker1-b or may be answered by it.
  red: () => [
    'pod/{placement,address/own,address/in-range,address/unique,ports/independent}',
    'pod/{interface/host-end,namespace/own}',
    'cni/{endpoints/listed,address-range/of-node}',
    'coverage/node-pairs/tcp',
    'pod-to-pod/same-node/{tcp,http,source-address,long-datagram,icmp,path-mtu,over-mtu,twice-mtu}',
    'service/cluster-ip/{,from-node/}{tcp,http}',
    'service/external-traffic-policy/local/{tcp,http}',
    'service/{without-selector,internal-traffic-policy}',
  ],
  // The pod leaves its Services when its kubelet notices, which is before or after the question. A datagram is sent
  // again until the end of its time, and by then the kubelet may have started the container anew; so it may have when
  // the long bodies come, after all others.
  either: [
    'dns/*/headless-*',
    'service/{name,node-port}/**',
    'service/{headless,named-target-ports,same-port,external-name,session-affinity}',
    'pod-to-pod/same-node/{udp,large-body}',
    'service/{cluster-ip,cluster-ip/from-node,external-traffic-policy/local}/udp',
    'coverage/node-pairs/udp',
    'coverage/every-node/cluster-ip',
  ],
  outcome: 'not-run',
  when: 'mid-run',
  inject: (context) => stopContainer(context, { node: 'worker1', name: 'worker1-b' }, containers.agent),
  async vacuous(_context, outcomes) {
    const blocked = outcomes
      .flatMap(({ observations }) => observations)
      .find(({ verdict, expected }) => verdict !== expected && verdict !== 'unknown')
    return blocked === undefined
      ? undefined
      : `called ${blocked.verdict}: ${blocked.probe}: ${blocked.detail}`
  },
  heal: fixturesBack,
}

const neighbourContainerGone: Fault = {
  id: 'neighbour-container-gone',
  breaks: 'The second container of one pod is stopped: nobody answers on 127.0.0.1, and its port is free.',
  red: () => ['loopback/between-containers/*', 'loopback/shared-ports'],
  inconclusive: askTools,
  // The pod leaves its Services when its kubelet notices, which is before or after the question: then those that want an
  // answer from each pod behind a Service miss it.
  either: ['dns/*/{headless,hostname}-*', 'service/cluster-ip/**', 'service/{headless,spread}'],
  outcome: 'failed',
  when: 'mid-run',
  inject: (context) => stopContainer(context, victim, containers.tools),
  vacuous: async () => undefined,
  heal: fixturesBack,
}

const viewFrom = async (context: FaultContext, network: 'pod' | 'node'): Promise<void> => {
  await runInContainer(context, victim, containers.tools, network, ['sh', '-c', writeToolsView])
}

const toolsInNodeNetwork: Fault = {
  id: 'tools-in-node-network',
  breaks: "The second container of one pod sees the network of its node instead of its pod's.",
  red: () => ['loopback/shared-namespace', 'pod/address/own', 'pod/namespace/own'],
  outcome: 'failed',
  when: 'before-run',
  inject: (context) => viewFrom(context, 'node'),
  vacuous: async () => undefined,
  heal: (context) => viewFrom(context, 'pod'),
}

const twin = { name: 'twin', namespace: 'default' }

const addressTwice: Fault = {
  id: 'address-twice',
  breaks: 'The API reports the address of a fixture pod for a second pod, as after a fault of IPAM.',
  red: () => ['pod/address/unique'],
  outcome: 'failed',
  when: 'before-run',
  async inject({ kube, world }) {
    const ip = world.pods[0]?.ip ?? ''
    const pod: V1Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: twin,
      // No scheduler of this name: nobody but us writes the status of this pod.
      spec: { schedulerName: 'none', containers: [{ name: 'none', image: 'none' }] },
    }
    await awaitUntil(
      async () => {
        const refusal = await kube.tryApply(pod)
        return refusal === undefined ? { done: true, value: undefined } : { done: false, seen: refusal }
      },
      { what: 'the twin to be accepted', budget: budgets.faultMs, next: 'look at what the API server said' },
    )
    const created = await kube.core.readNamespacedPodStatus(twin)
    created.status = { phase: 'Running', podIP: ip, podIPs: [{ ip }] }
    await kube.core.replaceNamespacedPodStatus({ ...twin, body: created })
  },
  vacuous: async () => undefined,
  async heal({ kube }) {
    await kube.core.deleteNamespacedPod({ ...twin, gracePeriodSeconds: 0 }).catch((error: unknown) => {
      throw new Error(`the twin could not be deleted: ${apiMessage(error)}`, { cause: error })
    })
  },
}

/** Faults of one pod. */
export const podFaults: readonly Fault[] = [
  loopbackDown,
  neighbourContainerGone,
  toolsInNodeNetwork,
  addressTwice,
  podKilled,
]
