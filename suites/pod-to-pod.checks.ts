import { defineCheck, type Check } from '../helpers/check.ts'

const neighbours = {
  first: { node: 'worker1' },
  second: { node: 'worker1' },
  third: { node: 'worker2' },
  fourth: { node: 'worker2' },
} as const

const strangers = { here: { node: 'worker1' }, there: { node: 'worker2' } } as const

const transports = ['tcp', 'udp', 'http'] as const

/** Pods of one node, in both directions, on both nodes. */
const sameNode = transports.map((protocol) =>
  defineCheck({
    id: `pod-to-pod/same-node/${protocol}`,
    level: 'core',
    covers: ['P2'],
    rung: 'same-node',
    requirement: `A pod MUST reach the pod IP of a pod on the same node over ${protocol.toUpperCase()}, in both directions.`,
    pods: neighbours,
    probes: [
      { from: 'first', to: 'second', via: 'pod-ip', protocol },
      { from: 'second', to: 'first', via: 'pod-ip', protocol },
      { from: 'third', to: 'fourth', via: 'pod-ip', protocol },
      { from: 'fourth', to: 'third', via: 'pod-ip', protocol },
    ],
  }),
)

/** Pods of different nodes, in both directions. */
const otherNode = transports.map((protocol) =>
  defineCheck({
    id: `pod-to-pod/cross-node/${protocol}`,
    level: 'core',
    covers: ['P3'],
    rung: 'other-node',
    requirement: `A pod MUST reach the pod IP of a pod on another node over ${protocol.toUpperCase()}, with no Service between them, in both directions.`,
    pods: strangers,
    probes: [
      { from: 'here', to: 'there', via: 'pod-ip', protocol },
      { from: 'there', to: 'here', via: 'pod-ip', protocol },
    ],
  }),
)

/** One way only: the receiver itself says whether the datagram arrived, so a broken direction has a name. */
const delivery = (['there', 'back'] as const).map((way) =>
  defineCheck({
    id: `pod-to-pod/cross-node/delivery-${way}`,
    level: 'core',
    covers: ['P3'],
    rung: 'other-node',
    requirement: `A datagram from a pod on ${way === 'there' ? 'the first worker to a pod on the second' : 'the second worker to a pod on the first'} MUST arrive, whatever happens to the answer.`,
    pods: strangers,
    probes: [
      way === 'there'
        ? { from: 'here', to: 'there', via: 'pod-ip', protocol: 'datagram' }
        : { from: 'there', to: 'here', via: 'pod-ip', protocol: 'datagram' },
    ],
  }),
)

/** No NAT between pods: the address a pod has is the address others see. */
const sourceAddress: readonly Check[] = [
  defineCheck({
    id: 'pod-to-pod/same-node/source-address',
    level: 'core',
    covers: ['K3'],
    requirement: 'A pod MUST be seen under its own IP by a pod on the same node.',
    pods: neighbours,
    probes: [
      { from: 'first', to: 'second', via: 'pod-ip', protocol: 'tcp', source: 'pod-ip' },
      { from: 'third', to: 'fourth', via: 'pod-ip', protocol: 'udp', source: 'pod-ip' },
    ],
  }),
  defineCheck({
    id: 'pod-to-pod/cross-node/source-address',
    level: 'core',
    covers: ['K3'],
    requirement: 'A pod MUST be seen under its own IP by a pod on another node.',
    pods: strangers,
    probes: [
      { from: 'here', to: 'there', via: 'pod-ip', protocol: 'tcp', source: 'pod-ip' },
      { from: 'there', to: 'here', via: 'pod-ip', protocol: 'tcp', source: 'pod-ip' },
      { from: 'here', to: 'there', via: 'pod-ip', protocol: 'udp', source: 'pod-ip' },
      { from: 'there', to: 'here', via: 'pod-ip', protocol: 'udp', source: 'pod-ip' },
    ],
  }),
]

/** The same paths over the second family of a cluster that has two. */
const overIpv6 = transports.flatMap((protocol) => [
  defineCheck({
    id: `pod-to-pod/same-node/${protocol}-ipv6`,
    level: 'extended',
    covers: ['P2', 'K3'],
    features: ['dual-stack'],
    requirement: `A pod MUST reach the IPv6 address of a pod on the same node over ${protocol.toUpperCase()}, under its own, in both directions.`,
    pods: neighbours,
    probes: [
      { from: 'first', to: 'second', via: 'pod-ip', protocol, family: 'ipv6', source: 'pod-ip' },
      { from: 'second', to: 'first', via: 'pod-ip', protocol, family: 'ipv6', source: 'pod-ip' },
      { from: 'third', to: 'fourth', via: 'pod-ip', protocol, family: 'ipv6', source: 'pod-ip' },
      { from: 'fourth', to: 'third', via: 'pod-ip', protocol, family: 'ipv6', source: 'pod-ip' },
    ],
  }),
  defineCheck({
    id: `pod-to-pod/cross-node/${protocol}-ipv6`,
    level: 'extended',
    covers: ['P3', 'K3'],
    features: ['dual-stack'],
    requirement: `A pod MUST reach the IPv6 address of a pod on another node over ${protocol.toUpperCase()}, under its own, in both directions.`,
    pods: strangers,
    probes: [
      { from: 'here', to: 'there', via: 'pod-ip', protocol, family: 'ipv6', source: 'pod-ip' },
      { from: 'there', to: 'here', via: 'pod-ip', protocol, family: 'ipv6', source: 'pod-ip' },
    ],
  }),
])

export const podToPodChecks: readonly Check[] = [
  ...sameNode,
  ...otherNode,
  ...delivery,
  ...sourceAddress,
  ...overIpv6,
]
