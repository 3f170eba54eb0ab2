import { defineCheck, type Check } from '../helpers/check.ts'

const bothNodes = { first: { node: 'worker1' }, second: { node: 'worker2' } } as const

/** The ClusterIP from both nodes; every ready endpoint must answer. */
const clusterIp = (['tcp', 'udp', 'http'] as const).map((protocol) =>
  defineCheck({
    id: `service/cluster-ip/${protocol}`,
    level: 'core',
    covers: ['S1'],
    rung: 'service',
    requirement: `A ClusterIP MUST lead to every ready endpoint of its Service over ${protocol.toUpperCase()}, from every node.`,
    pods: bothNodes,
    probes: [
      { from: 'first', service: 'echo', via: 'cluster-ip', protocol, answeredBy: 'every-endpoint' },
      { from: 'second', service: 'echo', via: 'cluster-ip', protocol, answeredBy: 'every-endpoint' },
    ],
  }),
)

/** The Service by each form of its name. */
const names = (
  [
    ['short', 'short-name', 'its bare name'],
    ['namespaced', 'namespaced-name', 'name.namespace'],
    ['fqdn', 'fqdn', 'its fully qualified name'],
  ] as const
).map(([id, via, form]) =>
  defineCheck({
    id: `service/name/${id}`,
    level: 'core',
    covers: ['S1'],
    rung: 'dns',
    requirement: `A pod MUST reach a Service of its own namespace by ${form}.`,
    pods: bothNodes,
    probes: [
      { from: 'first', service: 'echo', via, protocol: 'http' },
      { from: 'second', service: 'echo', via, protocol: 'http' },
    ],
  }),
)

const otherNamespace = defineCheck({
  id: 'service/name/other-namespace',
  level: 'core',
  covers: ['S1'],
  rung: 'dns',
  requirement:
    'A pod MUST reach a Service of another namespace by name.namespace and by its fully qualified name.',
  pods: { stranger: { node: 'worker2', namespace: 'other' } },
  probes: [
    { from: 'stranger', service: 'echo', via: 'namespaced-name', protocol: 'http' },
    { from: 'stranger', service: 'echo', via: 'fqdn', protocol: 'http' },
  ],
})

export const serviceChecks: readonly Check[] = [...clusterIp, ...names, otherNamespace]
