import { defineCheck, type Check } from '../helpers/check.ts'
import { amongNeighbours, amongStrangers, neighbours, strangers } from './pod-pairs.ts'
import { podPathChecks } from './pod-paths.checks.ts'

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
    probes: amongNeighbours({ protocol }),
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
    probes: amongStrangers({ protocol }),
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
      ...amongStrangers({ protocol: 'tcp', source: 'pod-ip' }),
      ...amongStrangers({ protocol: 'udp', source: 'pod-ip' }),
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
    probes: amongNeighbours({ protocol, family: 'ipv6', source: 'pod-ip' }),
  }),
  defineCheck({
    id: `pod-to-pod/cross-node/${protocol}-ipv6`,
    level: 'extended',
    covers: ['P3', 'K3'],
    features: ['dual-stack'],
    requirement: `A pod MUST reach the IPv6 address of a pod on another node over ${protocol.toUpperCase()}, under its own, in both directions.`,
    pods: strangers,
    probes: amongStrangers({ protocol, family: 'ipv6', source: 'pod-ip' }),
  }),
])

const wholeText = (where: string): string =>
  `A pod MUST get 1 MiB to a pod on ${where} and 1 MiB back over one TCP connection, byte by byte what was sent.`

/** What small packets do not show: a path that takes only short ones, and says nothing of those that it drops. */
const largeBodies: readonly Check[] = [
  defineCheck({
    id: 'pod-to-pod/same-node/large-body',
    level: 'core',
    covers: ['P2'],
    requirement: wholeText('the same node'),
    pods: neighbours,
    probes: amongNeighbours({ protocol: 'bulk' }),
  }),
  defineCheck({
    id: 'pod-to-pod/cross-node/large-body',
    level: 'core',
    covers: ['P3'],
    requirement: wholeText('another node'),
    pods: strangers,
    probes: amongStrangers({ protocol: 'bulk' }),
  }),
]

/**
 * The longest packet that a pod sends by itself. Its kernel sets DF on it, so that nobody on the way cuts it into pieces,
 * unless it has been told of a smaller path: then it cuts, and whether the pieces are put together again is what is seen.
 */
const longDatagrams: readonly Check[] = [
  defineCheck({
    id: 'pod-to-pod/same-node/long-datagram',
    level: 'core',
    covers: ['P2'],
    requirement:
      "A datagram as long as the MTU of the sender's interface MUST arrive whole at a pod on the same node.",
    pods: neighbours,
    probes: [
      { from: 'first', to: 'second', via: 'pod-ip', protocol: 'datagram', size: 'mtu' },
      { from: 'fourth', to: 'third', via: 'pod-ip', protocol: 'datagram', size: 'mtu' },
    ],
  }),
  defineCheck({
    id: 'pod-to-pod/cross-node/long-datagram',
    level: 'core',
    covers: ['P3'],
    requirement:
      "A datagram as long as the MTU of the sender's interface MUST arrive whole at a pod on another node.",
    pods: strangers,
    probes: amongStrangers({ protocol: 'datagram', size: 'mtu' }),
  }),
]

/** A plan of an agent opens all of them before it looks at an answer. */
const crowd = 2_000

const manyConnections = defineCheck({
  id: 'pod-to-pod/cross-node/many-connections',
  level: 'extended',
  covers: ['P3'],
  requirement: `Of ${crowd.toLocaleString('en')} TCP connections that a pod opens at once to a pod on another node, every one MUST be answered.`,
  pods: strangers,
  probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol: 'tcp', connections: crowd }],
})

export const podToPodChecks: readonly Check[] = [
  ...sameNode,
  ...otherNode,
  ...delivery,
  ...sourceAddress,
  ...overIpv6,
  ...longDatagrams,
  ...largeBodies,
  manyConnections,
  ...podPathChecks,
]
