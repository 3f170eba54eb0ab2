import { defineCheck, type Check } from '../helpers/check.ts'

/** The other checks look closely at two workers; these ask little on every node. */

const pairs = (['tcp', 'udp'] as const).map((protocol) =>
  defineCheck({
    id: `coverage/node-pairs/${protocol}`,
    level: 'core',
    covers: ['P2', 'P3'],
    requirement: `A pod on each node MUST reach the pod IP of a pod on each node over ${protocol.toUpperCase()}, its own node too.`,
    pods: { here: { node: 'every' }, there: { node: 'every' } },
    probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol }],
  }),
)

const everyNode = { pod: { node: 'every' } } as const

const clusterIp = defineCheck({
  id: 'coverage/every-node/cluster-ip',
  level: 'core',
  covers: ['S1'],
  requirement: 'A pod on each node MUST reach a ready endpoint of a Service at its ClusterIP.',
  pods: everyNode,
  probes: [{ from: 'pod', service: 'echo', via: 'cluster-ip', protocol: 'tcp' }],
})

const dns = defineCheck({
  id: 'coverage/every-node/dns',
  level: 'core',
  covers: ['D2', 'D4'],
  requirement:
    'A pod on each node MUST get the A record of a Service as its ClusterIP from the cluster DNS Service.',
  pods: everyNode,
  probes: [{ from: 'pod', resolve: 'service', at: 'service-ip', protocol: 'udp' }],
})

export const coverageChecks: readonly Check[] = [...pairs, clusterIp, dns]
