import { defineCheck, type Check } from '../helpers/check.ts'

export const everyPod = {
  first: { node: 'worker1' },
  second: { node: 'worker1' },
  third: { node: 'worker2' },
  fourth: { node: 'worker2' },
  stranger: { node: 'worker2', namespace: 'other' },
  configured: { node: 'worker1', namespace: 'other', dns: 'own' },
} as const

type EveryPod = keyof typeof everyPod
export const inEveryPod = <Inspect extends string>(inspect: Inspect): { in: EveryPod; inspect: Inspect }[] =>
  (Object.keys(everyPod) as EveryPod[]).map((pod) => ({ in: pod, inspect }))

/** What a single pod is: where it runs and which address it has. */
export const podChecks: readonly Check[] = [
  defineCheck({
    id: 'pod/placement',
    level: 'core',
    covers: ['P4'],
    requirement: 'A pod pinned with nodeName MUST run on that node.',
    pods: everyPod,
    probes: inEveryPod('placement'),
  }),
  defineCheck({
    id: 'pod/address/own',
    level: 'core',
    covers: ['K1'],
    requirement:
      'Every container of a pod MUST see the IP that the API reports as an address of its interface.',
    pods: everyPod,
    probes: inEveryPod('own-address'),
  }),
  defineCheck({
    id: 'pod/address/in-range',
    level: 'core',
    covers: ['P1'],
    features: ['pod-cidr'],
    requirement: 'A pod IP MUST come from the declared pod CIDR.',
    pods: everyPod,
    probes: inEveryPod('address-in-range'),
  }),
  defineCheck({
    id: 'pod/address/unique',
    level: 'core',
    covers: ['P1'],
    requirement: 'Two pods of a cluster MUST NOT have the same IP at the same time.',
    pods: everyPod,
    probes: inEveryPod('address-unique'),
  }),
  defineCheck({
    id: 'pod/interface/host-end',
    level: 'extended',
    covers: ['K4'],
    features: ['node-access'],
    requirement:
      "The interface of a pod MUST be one end of a pair whose other end is up on the pod's node, under the name that the network declares, and belongs to no other pod.",
    pods: everyPod,
    probes: inEveryPod('host-interface'),
  }),
  defineCheck({
    id: 'pod/namespace/own',
    level: 'extended',
    covers: ['K4'],
    features: ['node-access'],
    requirement:
      'The network namespace of a pod MUST differ from that of its node and from those of other pods.',
    pods: everyPod,
    probes: inEveryPod('own-namespace'),
  }),
  defineCheck({
    id: 'pod/ports/independent',
    level: 'core',
    covers: ['K2'],
    rung: 'same-node',
    requirement: 'Two pods of one node MUST be able to listen on the same port, each under its own IP.',
    pods: { client: { node: 'worker1', namespace: 'main' }, twin: { node: 'worker1' } },
    probes: [
      { from: 'client', to: 'twin', via: 'pod-ip', protocol: 'http' },
      { from: 'twin', to: 'client', via: 'pod-ip', protocol: 'http' },
    ],
  }),
]
