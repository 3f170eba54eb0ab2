import { defineCheck, type Check } from '../helpers/check.ts'

const bothNodes = { first: { node: 'worker1' }, second: { node: 'worker2' } } as const

const resolvConf = defineCheck({
  id: 'dns/resolv-conf',
  level: 'core',
  covers: ['D1'],
  requirement:
    "A pod's resolv.conf MUST name the cluster DNS Service, the three search domains of its namespace and ndots:5.",
  pods: { ...bothNodes, stranger: { node: 'worker2', namespace: 'other' } },
  probes: [
    { in: 'first', inspect: 'resolv-conf' },
    { in: 'second', inspect: 'resolv-conf' },
    { in: 'stranger', inspect: 'resolv-conf' },
  ],
})

const places = [
  { id: 'service-ip', at: 'service-ip', where: 'the cluster DNS Service', covers: ['D2', 'D4'] },
  { id: 'each-server', at: 'every-dns-pod', where: 'every CoreDNS pod', covers: ['D2', 'D4'] },
] as const

const records = [
  { id: 'service', resolve: 'service', claim: 'the A record of a Service as its ClusterIP' },
  {
    id: 'headless',
    resolve: 'headless-service',
    claim: 'the A records of a headless Service as the IPs of its ready pods',
  },
  { id: 'pod', resolve: 'pod', claim: "the A record of a pod's address as that address" },
] as const

/** Each record, asked at each place, over each transport, from both nodes; compared with the API object. */
const answers = places.flatMap(({ id: place, at, where, covers }) =>
  records.flatMap(({ id: record, resolve, claim }) =>
    (['udp', 'tcp'] as const).map((protocol) =>
      defineCheck({
        id: `dns/${place}/${record}-${protocol}`,
        level: 'core',
        covers: [...covers],
        rung: 'dns',
        requirement: `${where[0]?.toUpperCase()}${where.slice(1)} MUST give ${claim}, over ${protocol.toUpperCase()}, to pods of every node.`,
        pods: bothNodes,
        probes: (['first', 'second'] as const).map((from) => ({
          from,
          resolve,
          at,
          protocol,
          ...(resolve === 'pod' ? { of: from } : {}),
        })),
      }),
    ),
  ),
)

export const dnsChecks: readonly Check[] = [resolvConf, ...answers]
