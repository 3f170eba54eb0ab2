import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { DnsProbe } from '../check-probes.ts'
import { services } from '../fixture-objects.ts'
import { endpointsOf, questionsPerName, type Ids, type Planned, type PlannedProbe } from './planned.ts'
import type { World, WorldPod } from '../world.ts'

export function planDns(
  check: Check,
  probe: DnsProbe,
  from: WorldPod,
  of: WorldPod | undefined,
  world: World,
  ids: Ids,
): PlannedProbe[] {
  const { name, answers } = dnsQuestion(probe, of ?? from, world)
  const servers =
    probe.at === 'service-ip'
      ? [{ name: 'kube-system/kube-dns', ip: world.dns.serviceIp }]
      : world.dns.servers.map((server) => ({ ...server, name: `kube-system/${server.name}` }))
  const ask = (server: string): Planned => ({
    agent: from.name,
    wire: {
      id: ids.next++,
      kind: 'dns',
      server,
      transport: probe.protocol,
      name,
      type: 'A',
      timeoutMs: budgets.dnsProbeMs.ms,
      ...(probe.at === 'service-ip' ? { toService: true } : {}),
    },
  })
  // The answer of a headless Service changes with its pods: it is only wrong when none of them died meanwhile.
  const pods = probe.resolve === 'headless-service' ? endpointsOf(world) : []
  const planned = { check, probe, from, rests: [from, ...pods], mayAnswer: [], answers, name }
  // No server at all is a finding of its own: a probe without questions is judged "nobody to ask".
  if (servers.length === 0) {
    return [{ ...planned, to: { name: 'kube-system/kube-dns (no running pod)' }, questions: [] }]
  }
  return servers.map((server) => ({
    ...planned,
    to: {
      name: server.name,
      address: `${server.ip}:53`,
      ...('node' in server ? { node: server.node } : {}),
    },
    questions: Array.from({ length: probe.at === 'service-ip' ? questionsPerName : 1 }, () => ask(server.ip)),
  }))
}

function dnsQuestion(probe: DnsProbe, of: WorldPod, world: World): { name: string; answers: string[] } {
  const { main } = world.namespaces
  const domain = world.clusterDomain
  switch (probe.resolve) {
    case 'service':
      return { name: `${services.echo}.${main}.svc.${domain}`, answers: [world.clusterIps.echo] }
    case 'headless-service':
      return {
        name: `${services.headless}.${main}.svc.${domain}`,
        answers: endpointsOf(world)
          .map((each) => each.ip)
          .toSorted(),
      }
    case 'pod':
      return {
        name: recordName(of, world),
        answers: [of.ip],
      }
  }
}

/** Name of the A record that stands for a pod's address, whoever has it. */
export const recordName = ({ ip, namespace }: WorldPod, world: World): string =>
  `${ip.replaceAll(/[.:]/g, '-')}.${world.namespaces[namespace]}.pod.${world.clusterDomain}`
