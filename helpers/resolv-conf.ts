import { ownDnsConfig } from './fixture-pods.ts'
import type { World, WorldPod } from './world.ts'

/** The resolv.conf of a pod, held against what its dnsPolicy makes of it. Pure. */

/** What the resolver takes from the file. */
interface ResolvConf {
  nameservers: string[]
  search: string[]
  options: string[]
}

/** Of several search lines the last one counts (resolv.conf(5)). */
function parse(text: string): ResolvConf {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/))
  const values = (key: string): string[][] =>
    lines.filter(([first]) => first === key).map(([, ...rest]) => rest)
  return {
    nameservers: values('nameserver').flat(),
    search: values('search').at(-1) ?? [],
    options: values('options').flat(),
  }
}

const words = (items: readonly string[]): string => items.join(' ') || 'nothing'

/** What is not as the kubelet must have written it. */
export function resolvConfProblems(pod: WorldPod, text: string, world: World): string[] {
  const seen = parse(text)
  return pod.dns === 'Default' ? ofTheCluster(seen, world) : differences(seen, wantedOf(pod, world))
}

/** With dnsPolicy Default it is that of the node, which knows nothing of the cluster. */
function ofTheCluster({ nameservers, search }: ResolvConf, { dns, clusterDomain }: World): string[] {
  const known = search.filter((domain) => domain === clusterDomain || domain.endsWith(`.${clusterDomain}`))
  return [
    ...(nameservers.length === 0 ? ['no nameserver at all'] : []),
    ...(nameservers.includes(dns.serviceIp) ? [`nameserver ${dns.serviceIp}, the cluster's`] : []),
    ...(known.length > 0 ? [`search ${words(known)}, of the cluster`] : []),
  ]
}

function wantedOf({ dns, namespace }: WorldPod, world: World): ResolvConf {
  const { clusterDomain, namespaces } = world
  const { serviceIp } = world.dns
  if (dns === 'None') {
    const { nameservers, searches, options } = ownDnsConfig(serviceIp, namespaces.main, clusterDomain)
    return {
      nameservers,
      search: searches,
      options: options.map(({ name, value }) => `${name}:${value}`),
    }
  }
  const search = [`${namespaces[namespace]}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain]
  return { nameservers: [serviceIp], search, options: ['ndots:5'] }
}

/** What differs. The kubelet appends the search domains of the node; what comes first is the pod's. */
function differences(seen: ResolvConf, wanted: ResolvConf): string[] {
  const search = seen.search.slice(0, wanted.search.length)
  const missing = wanted.options.filter((option) => !seen.options.includes(option))
  return [
    ...(seen.nameservers.join() === wanted.nameservers.join()
      ? []
      : [`nameserver ${words(seen.nameservers)} instead of ${words(wanted.nameservers)}`]),
    ...(search.join() === wanted.search.join()
      ? []
      : [`search ${words(seen.search)} instead of ${words(wanted.search)}`]),
    ...(missing.length === 0 ? [] : [`options ${words(seen.options)} without ${words(missing)}`]),
  ]
}
