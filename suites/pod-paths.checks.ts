import { defineCheck, type Check } from '../helpers/check.ts'
import { amongNeighbours, amongStrangers, neighbours, strangers } from './pod-pairs.ts'

/** What a path between pods carries beside small packets of TCP and UDP, and for how long. */

/** A network may forbid it. A reply says from where it comes, not from whom: that is for the checks over TCP and UDP. */
const ping: readonly Check[] = [
  defineCheck({
    id: 'pod-to-pod/same-node/icmp',
    level: 'extended',
    covers: ['P2'],
    features: ['icmp'],
    requirement:
      'The pod IP of a pod on the same node MUST reply to the ICMP echo requests of a pod, in both directions.',
    pods: neighbours,
    probes: amongNeighbours({ protocol: 'icmp' }),
  }),
  defineCheck({
    id: 'pod-to-pod/cross-node/icmp',
    level: 'extended',
    covers: ['P3'],
    features: ['icmp'],
    requirement:
      'The pod IP of a pod on another node MUST reply to the ICMP echo requests of a pod, in both directions.',
    pods: strangers,
    probes: amongStrangers({ protocol: 'icmp' }),
  }),
]

const sizes = [
  {
    id: 'path-mtu',
    claim: (where: string): string =>
      `A packet as long as the kernel of a pod takes the path to be, which nobody may cut (DF), MUST arrive at a pod on ${where}, and no router on the path may ask for shorter ones.`,
  },
  {
    id: 'twice-mtu',
    claim: (where: string): string =>
      `A datagram twice as long as the MTU of the sender's interface, which travels in pieces, MUST arrive whole at a pod on ${where}.`,
  },
] as const

/**
 * A path that is shorter than its ends believe, and says so, is hidden by the kernel: from then on it cuts what is longer,
 * and everything arrives, in more packets.
 */
const lengths = sizes.flatMap(({ id: size, claim }) => [
  defineCheck({
    id: `pod-to-pod/same-node/${size}`,
    level: 'extended',
    covers: ['P2'],
    requirement: claim('the same node'),
    pods: neighbours,
    probes: [
      { from: 'first', to: 'second', via: 'pod-ip', protocol: 'datagram', size },
      { from: 'fourth', to: 'third', via: 'pod-ip', protocol: 'datagram', size },
    ],
  }),
  defineCheck({
    id: `pod-to-pod/cross-node/${size}`,
    level: 'extended',
    covers: ['P3'],
    requirement: claim('another node'),
    pods: strangers,
    probes: amongStrangers({ protocol: 'datagram', size }),
  }),
])

const oversize = { via: 'pod-ip', protocol: 'datagram', size: 'over-mtu', expect: 'refused' } as const
const justFits = { via: 'pod-ip', protocol: 'datagram', size: 'path-mtu' } as const

const tooLong = (where: string): string =>
  `A packet one byte longer than the interface of a pod, or its path to a pod on ${where}, takes, and that nobody may cut (DF), MUST be refused by the kernel of the pod, while one that just fits arrives.`

/** A kernel that lets it out leaves it to others to drop it in silence. */
const oversizes: readonly Check[] = [
  defineCheck({
    id: 'pod-to-pod/same-node/over-mtu',
    level: 'extended',
    covers: ['P2'],
    requirement: tooLong('the same node'),
    pods: neighbours,
    probes: [
      { from: 'first', to: 'second', ...oversize },
      { from: 'fourth', to: 'third', ...oversize },
      { from: 'first', to: 'second', ...justFits },
      { from: 'fourth', to: 'third', ...justFits },
    ],
  }),
  defineCheck({
    id: 'pod-to-pod/cross-node/over-mtu',
    level: 'extended',
    covers: ['P3'],
    requirement: tooLong('another node'),
    pods: strangers,
    probes: [
      { from: 'here', to: 'there', ...oversize },
      { from: 'there', to: 'here', ...oversize },
      { from: 'here', to: 'there', ...justFits },
      { from: 'there', to: 'here', ...justFits },
    ],
  }),
]

/** Of each pod to each other: less than a pod's backlog holds, and together more than any other check opens between pods. */
const each = 64

const roles = ['first', 'second', 'third', 'fourth'] as const

const concurrent = defineCheck({
  id: 'pod-to-pod/concurrent',
  level: 'extended',
  covers: ['P2', 'P3'],
  requirement: `When four pods on two nodes each open ${each} TCP connections to each of the others at the same time, every one MUST be answered.`,
  pods: neighbours,
  probes: roles.flatMap((from) =>
    roles
      .filter((to) => to !== from)
      .map((to) => ({ from, to, via: 'pod-ip' as const, protocol: 'tcp' as const, connections: each })),
  ),
})

/** Seconds. Long enough for a table of connections that is too short, and for a program that wakes up now and then. */
const silence = 8

const idle: readonly Check[] = [
  defineCheck({
    id: 'pod-to-pod/cross-node/idle-connection',
    level: 'extended',
    covers: ['P3'],
    requirement: `A TCP connection to a pod on another node that was silent for ${silence} s MUST still lead there.`,
    pods: strangers,
    probes: amongStrangers({ protocol: 'tcp', silence }),
  }),
  defineCheck({
    id: 'service/idle-connection',
    level: 'extended',
    covers: ['S1'],
    requirement: `A TCP connection to a ClusterIP that was silent for ${silence} s MUST still lead to the endpoint that it was opened to.`,
    pods: strangers,
    probes: [
      { from: 'here', service: 'echo', via: 'cluster-ip', protocol: 'tcp', silence },
      { from: 'there', service: 'echo', via: 'cluster-ip', protocol: 'tcp', silence },
    ],
  }),
]

export const podPathChecks: readonly Check[] = [...ping, ...lengths, ...oversizes, concurrent, ...idle]
