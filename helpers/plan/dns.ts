import { Address4, Address6 } from 'ip-address'
import { agentPorts, type WireProbe } from '../agent/protocol.ts'
import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { DnsProbe, LookupProbe } from '../check-probes.ts'
import { largeAddresses, servicePorts, type FixtureServiceName } from '../fixture-services.ts'
import {
  endpointsOf,
  questionsPerName,
  type DnsRecord,
  type Ids,
  type Planned,
  type PlannedProbe,
} from './planned.ts'
import type { World, WorldPod } from '../world.ts'

/** Questions whose times count, and the milliseconds between two: nobody waits for another, and a busy second is not half. */
const timedQuestions = 32
const everyMs = 250

/** Plans a question to DNS servers: one planned probe for each server that is asked. */
export function planDns(
  check: Check,
  probe: DnsProbe,
  from: WorldPod,
  of: WorldPod | undefined,
  world: World,
  ids: Ids,
): PlannedProbe[] {
  const record = records[probe.resolve](of ?? from, world)
  const servers =
    probe.at === 'service-ip'
      ? [{ name: 'kube-system/kube-dns', ip: world.dns.serviceIp }]
      : world.dns.servers.map((server) => ({ ...server, name: `kube-system/${server.name}` }))
  const ask = (server: string, afterMs?: number): Planned => ({
    agent: from.name,
    wire: {
      id: ids.next++,
      kind: 'dns',
      server,
      transport: probe.protocol,
      name: record.name,
      type: record.type,
      timeoutMs: budgets.dnsProbeMs.ms,
      ...(probe.at === 'service-ip' ? { toService: true } : {}),
      ...(afterMs === undefined ? {} : { afterMs }),
    },
  })
  const pods = ofAllPods.has(probe.resolve) ? endpointsOf(world) : []
  const planned = { check, probe, from, rests: [from, ...pods], mayAnswer: [], record }
  if (servers.length === 0) {
    const to = { name: 'kube-system/kube-dns (no running pod)' }
    return [{ ...planned, to, questions: [], nobody: 'no CoreDNS pod is running' }]
  }
  return servers.map((server) => ({
    ...planned,
    to: {
      name: server.name,
      address: `${server.ip}:53`,
      ...('node' in server ? { node: server.node } : {}),
    },
    questions:
      probe.withinMs === undefined
        ? Array.from({ length: probe.at === 'service-ip' ? questionsPerName : 1 }, () => ask(server.ip))
        : Array.from({ length: timedQuestions }, (_, index) => ask(server.ip, index * everyMs)),
  }))
}

/** Plans a look-up of a name of `echo` by the resolver of the pod. */
export function planLookup(
  check: Check,
  probe: LookupProbe,
  from: WorldPod,
  world: World,
  ids: Ids,
): PlannedProbe {
  const fqdn = serviceName('echo', world)
  const { main } = world.namespaces
  const host = {
    bare: 'echo',
    namespaced: `echo.${main}`,
    'with-svc': `echo.${main}.svc`,
    fqdn,
    absolute: `${fqdn}.`,
  }[probe.lookup]
  const wire: WireProbe = { id: ids.next++, kind: 'lookup', host, timeoutMs: budgets.dnsProbeMs.ms }
  return {
    check,
    probe,
    from,
    to: { name: host },
    rests: [from],
    mayAnswer: [],
    record: { name: host, type: 'A', answers: addressesIn(4, world) },
    questions: [{ agent: from.name, wire }],
  }
}

/** Makes the record that a probe asks for. */
type RecordOf = (of: WorldPod, world: World) => DnsRecord

const serviceName = (service: FixtureServiceName, { namespaces, clusterDomain }: World): string =>
  `${service}.${namespaces.main}.svc.${clusterDomain}`

/** The name of a pod in the headless Service that is its subdomain. */
const hostName = (of: WorldPod, world: World): string => `${of.name}.${serviceName('echo-headless', world)}`

/** ClusterIPs of `echo` in one family. */
const addressesIn = (family: 4 | 6, world: World): string[] =>
  (world.services.get('echo')?.ips ?? []).filter((ip) => ip.includes(':') === (family === 6)).toSorted()

/** `10.96.0.1` is `1.0.96.10.in-addr.arpa` to whom asks for its name. */
function reverseName(ip: string): string {
  const address = ip.includes(':') ? new Address6(ip) : new Address4(ip)
  return address.reverseForm().replace(/\.$/, '')
}

/** Each as Kubernetes specifies it: github.com/kubernetes/dns/blob/master/docs/specification.md. */
const records: Record<DnsProbe['resolve'], RecordOf> = {
  service: (_of, world) => ({ name: serviceName('echo', world), type: 'A', answers: addressesIn(4, world) }),
  'own-service': ({ name, serviceIp }, world) => ({
    name: `${name}.${world.namespaces.main}.svc.${world.clusterDomain}`,
    type: 'A',
    answers: serviceIp === undefined ? [] : [serviceIp],
  }),
  'service-ipv6': (_of, world) => ({
    name: serviceName('echo', world),
    type: 'AAAA',
    answers: addressesIn(6, world),
  }),
  'headless-service': (_of, world) => ({
    name: serviceName('echo-headless', world),
    type: 'A',
    answers: endpointsOf(world)
      .map(({ ip }) => ip)
      .toSorted(),
  }),
  pod: (of, world) => ({ name: recordName(of, world), type: 'A', answers: [of.ip] }),
  'pod-hostname': (of, world) => ({ name: hostName(of, world), type: 'A', answers: [of.ip] }),
  'service-srv': (_of, world) => ({
    name: `_http._tcp.${serviceName('echo', world)}`,
    type: 'SRV',
    answers: [`${servicePorts.http} ${serviceName('echo', world)}`],
  }),
  'headless-srv': (_of, world) => ({
    name: `_http._tcp.${serviceName('echo-headless', world)}`,
    type: 'SRV',
    answers: endpointsOf(world)
      .map((pod) => `${agentPorts.http} ${hostName(pod, world)}`)
      .toSorted(),
  }),
  'service-ptr': (_of, world) => ({
    name: reverseName(world.services.get('echo')?.ips[0] ?? ''),
    type: 'PTR',
    answers: [serviceName('echo', world)],
  }),
  alias: (_of, world) => ({
    name: serviceName('echo-alias', world),
    type: 'CNAME',
    answers: [serviceName('echo', world)],
  }),
  large: (_of, world) => ({
    name: serviceName('echo-large', world),
    type: 'A',
    answers: largeAddresses.toSorted(),
    large: true,
  }),
  nobody: (_of, world) => ({
    name: `nobody.${world.namespaces.main}.svc.${world.clusterDomain}`,
    type: 'A',
    answers: [],
  }),
}

/** Records that change with the pods: such an answer is only wrong when none of them died meanwhile. */
const ofAllPods: ReadonlySet<DnsProbe['resolve']> = new Set(['headless-service', 'headless-srv'])

/** Name of the A record that stands for a pod's address, whoever has it. */
export const recordName = ({ ip, namespace }: WorldPod, world: World): string =>
  `${ip.replaceAll(/[.:]/g, '-')}.${world.namespaces[namespace]}.pod.${world.clusterDomain}`
