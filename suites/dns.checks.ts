import { defineCheck, type Check } from '../helpers/check.ts'
import { dnsSettingChecks } from './dns-settings.checks.ts'

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
  { id: 'service', resolve: 'service', claim: 'give the A record of a Service as its ClusterIP' },
  {
    id: 'headless',
    resolve: 'headless-service',
    claim: 'give the A records of a headless Service as the IPs of its ready pods',
  },
  { id: 'pod', resolve: 'pod', claim: "give the A record of a pod's address as that address" },
  {
    id: 'hostname',
    resolve: 'pod-hostname',
    claim: "give the A record of a pod's hostname in its subdomain as the pod's address",
  },
  {
    id: 'ipv6',
    resolve: 'service-ipv6',
    claim:
      'give as AAAA records of a Service its IPv6 ClusterIPs, without denying the name where it has none',
  },
  { id: 'srv', resolve: 'service-srv', claim: 'give the SRV record of a named port of a Service' },
  {
    id: 'headless-srv',
    resolve: 'headless-srv',
    claim:
      'give the SRV records of a named port of a headless Service: the port and the hostname of each ready pod',
  },
  {
    id: 'ptr',
    resolve: 'service-ptr',
    claim: 'give the PTR record of a ClusterIP as the name of its Service',
  },
  {
    id: 'alias',
    resolve: 'alias',
    claim: 'give the CNAME record of an ExternalName Service as the name that it stands for',
  },
  {
    id: 'large',
    resolve: 'large',
    claim:
      'give 64 A records whole over TCP, and say over UDP that the 512 bytes of an answer do not hold them',
  },
  { id: 'nobody', resolve: 'nobody', claim: 'deny the name of a Service that does not exist (NXDOMAIN)' },
] as const

/** Records that are asked of a pod, of its own by itself. */
const ofPods: ReadonlySet<string> = new Set(['pod', 'pod-hostname'])

/** Each record, asked at each place, over each transport, from both nodes; compared with the API object. */
const answers = places.flatMap(({ id: place, at, where, covers }) =>
  records.flatMap(({ id: record, resolve, claim }) =>
    (['udp', 'tcp'] as const).map((protocol) =>
      defineCheck({
        id: `dns/${place}/${record}-${protocol}`,
        level: 'core',
        covers: [...covers],
        rung: 'dns',
        requirement: `${where[0]?.toUpperCase()}${where.slice(1)} MUST ${claim}, over ${protocol.toUpperCase()}, to pods of every node.`,
        pods: bothNodes,
        probes: (['first', 'second'] as const).map((from) => ({
          from,
          resolve,
          at,
          protocol,
          ...(ofPods.has(resolve) ? { of: from } : {}),
          ...(resolve === 'nobody' ? { expect: 'no-such-name' as const } : {}),
        })),
      }),
    ),
  ),
)

export const dnsChecks: readonly Check[] = [resolvConf, ...dnsSettingChecks, ...answers]
