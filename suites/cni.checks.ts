import { defineCheck, type Check, type CheckInput } from '../helpers/check.ts'
import { everyPod, inEveryPod } from './pod.checks.ts'

/** All of these look at the network from its nodes, and all are beyond what Kubernetes asks of a network. */
const looking = {
  level: 'extended',
  covers: ['C'],
  features: ['node-access'],
} satisfies Partial<CheckInput<never>>

/** What the network shows of itself: who runs it, what it is, what its nodes know of each other and of their pods. */
export const cniChecks: readonly Check[] = [
  defineCheck({
    ...looking,
    id: 'cni/agent/healthy',
    requirement:
      'One agent of the network MUST run on every node, control planes too, and say that it is well.',
    pods: {},
    probes: [{ on: 'every-node', look: 'cni-agent' }],
  }),
  defineCheck({
    ...looking,
    id: 'cni/workloads/ready',
    requirement:
      'Every workload of the network, such as its agents, operator and controllers, MUST have as many ready pods as it wants, and want at least one.',
    pods: {},
    probes: [{ on: 'cluster', look: 'cni-workloads' }],
  }),
  defineCheck({
    ...looking,
    id: 'cni/declared/version',
    requirement: 'The agent on every node MUST have the version that the cluster declares.',
    pods: {},
    probes: [{ on: 'every-node', look: 'cni-version' }],
  }),
  defineCheck({
    ...looking,
    id: 'cni/declared/encapsulation',
    requirement: 'Every node MUST wrap packets to other nodes in the way that the cluster declares.',
    pods: {},
    probes: [{ on: 'every-node', look: 'encapsulation' }],
  }),
  defineCheck({
    ...looking,
    id: 'cni/declared/kube-proxy',
    requirement:
      'kube-proxy MUST run on every node in the mode that the cluster declares; where that is none, the network MUST serve Services itself.',
    pods: {},
    probes: [{ on: 'every-node', look: 'kube-proxy' }],
  }),
  defineCheck({
    ...looking,
    id: 'cni/other-nodes/known',
    requirement:
      'Every node MUST know each other node: its lease or range, the way to its pods, and what a tunnel or a BGP session to it takes.',
    pods: {},
    probes: [{ on: 'every-node', look: 'other-nodes' }],
  }),
  defineCheck({
    ...looking,
    id: 'cni/endpoints/listed',
    requirement: "The network MUST have every pod of a node on that node's own list, with the pod's address.",
    pods: everyPod,
    probes: inEveryPod('endpoint-listed'),
  }),
  defineCheck({
    ...looking,
    id: 'cni/address-range/of-node',
    covers: ['C', 'P1'],
    requirement: "The address of a pod MUST come from a range that the network gave to the pod's node.",
    pods: everyPod,
    probes: inEveryPod('address-of-node'),
  }),
]
