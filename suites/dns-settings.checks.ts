import { defineCheck, type Check, type CheckInput } from '../helpers/check.ts'

/** What pods say of DNS in their specification, and what their resolvers make of it. */

const lookups = ['bare', 'namespaced', 'with-svc', 'fqdn', 'absolute'] as const

const searchPath = defineCheck({
  id: 'dns/search-path',
  level: 'core',
  covers: ['D1', 'S1'],
  rung: 'dns',
  requirement:
    'The resolver of a pod MUST find the ClusterIP of a Service by each form of its name: each search domain completes one of them, and a name with a final dot is complete.',
  pods: {
    first: { node: 'worker1' },
    second: { node: 'worker2' },
    stranger: { node: 'worker2', namespace: 'other' },
  },
  probes: [
    ...(['first', 'second'] as const).flatMap((from) => lookups.map((lookup) => ({ from, lookup }))),
    // Of another namespace the bare name means another Service.
    ...lookups.slice(1).map((lookup) => ({ from: 'stranger' as const, lookup })),
  ],
})

const ofNodes = { level: 'extended', covers: ['D1'], features: ['host-network'] } satisfies Partial<
  CheckInput<never>
>

const policies: readonly Check[] = [
  defineCheck({
    ...ofNodes,
    id: 'dns/policy/default',
    requirement:
      "With dnsPolicy Default a pod MUST have the DNS settings of its node: neither the cluster's DNS Service nor a search domain of the cluster.",
    pods: { node: { node: 'worker2', network: 'host' } },
    probes: [{ in: 'node', inspect: 'resolv-conf' }],
  }),
  defineCheck({
    ...ofNodes,
    id: 'dns/policy/host-network',
    requirement:
      'With dnsPolicy ClusterFirstWithHostNet a pod with the network of its node MUST have the DNS settings of other pods, and find Services by name.',
    pods: { node: { node: 'worker1', network: 'host' } },
    probes: [
      { in: 'node', inspect: 'resolv-conf' },
      { from: 'node', lookup: 'namespaced' },
      { from: 'node', lookup: 'fqdn' },
    ],
  }),
  defineCheck({
    id: 'dns/policy/none',
    level: 'extended',
    covers: ['D1'],
    requirement:
      'With dnsPolicy None a pod MUST have the nameserver, the search domain and ndots of its dnsConfig, and find by them a Service of another namespace by its bare name.',
    pods: { configured: { node: 'worker1', namespace: 'other', dns: 'own' } },
    probes: [
      { in: 'configured', inspect: 'resolv-conf' },
      { from: 'configured', lookup: 'bare' },
      { from: 'configured', lookup: 'fqdn' },
    ],
  }),
]

/** CoreDNS answers from memory in 1 ms; a tenth of a second is felt with each connection that begins with a name. */
const withinMs = 100

const latency = defineCheck({
  id: 'dns/latency',
  level: 'extended',
  covers: ['D4'],
  requirement: `Of the answers of the cluster DNS Service over UDP to a pod that asks four times a second for eight seconds, half MUST come within ${withinMs} ms, on every node.`,
  pods: { first: { node: 'worker1' }, second: { node: 'worker2' } },
  probes: (['first', 'second'] as const).map((from) => ({
    from,
    resolve: 'own-service',
    at: 'service-ip',
    protocol: 'udp',
    withinMs,
  })),
})

export const dnsSettingChecks: readonly Check[] = [searchPath, ...policies, latency]
