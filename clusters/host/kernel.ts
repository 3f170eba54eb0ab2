import { readFile, readdir } from 'node:fs/promises'
import { release } from 'node:os'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { SetupFailure } from '../../helpers/errors.ts'
import { readText } from './facts.ts'

/** What pod networks ask of the kernel, each with what its absence costs. */
export const kernelFeatures = {
  vxlan: { option: 'VXLAN', name: 'VXLAN', cost: 'no cluster with VXLAN encapsulation' },
  veth: { option: 'VETH', name: 'veth', cost: 'no cluster at all' },
  bridge: { option: 'BRIDGE', name: 'bridge', cost: 'no cluster at all: Docker needs it' },
  overlay: { option: 'OVERLAY_FS', name: 'overlayfs', cost: 'containers start slowly, if at all' },
  nfTables: { option: 'NF_TABLES', name: 'nf_tables', cost: 'no kube-proxy in nftables mode' },
  statistic: {
    option: 'NETFILTER_XT_MATCH_STATISTIC',
    name: 'xt_statistic',
    cost: 'kube-proxy in iptables mode cannot spread over backends',
  },
  ipSet: { option: 'IP_SET', name: 'ipset', cost: 'no NetworkPolicy with Calico' },
  bpf: { option: 'BPF_SYSCALL', name: 'BPF', cost: 'no Cilium' },
  ipv6: { option: 'IPV6', name: 'IPv6', cost: 'no IPv6 and no dual-stack cluster' },
  ipvs: { option: 'IP_VS', name: 'IP_VS', cost: 'no kube-proxy in ipvs mode' },
  ipip: { option: 'NET_IPIP', name: 'IPIP', cost: 'no IPIP encapsulation with Calico' },
  wireguard: { option: 'WIREGUARD', name: 'WireGuard', cost: 'no encryption between nodes' },
  sctp: { option: 'IP_SCTP', name: 'SCTP', cost: 'no SCTP checks' },
} as const satisfies Record<string, { option: string; name: string; cost: string }>

export type KernelFeature = keyof typeof kernelFeatures

/** `unknown`: the kernel doesn't say, and we load nothing to find out. */
export type Presence = 'present' | 'absent' | 'unknown'

/**
 * Which features this machine's kernel has, read from its own configuration: no module is loaded, nothing is made.
 * A module that is configured but not on disk counts as absent: containers can't load it.
 */
export async function readKernelFeatures(): Promise<Record<KernelFeature, Presence>> {
  const [config, modules] = await Promise.all([readConfig(), readModules()])
  const presence = ({ option }: { option: string }): Presence =>
    config === undefined ? 'unknown' : presenceOf(option, config, modules)
  return Object.fromEntries(
    Object.entries(kernelFeatures).map(([id, feature]) => [id, presence(feature)]),
  ) as Record<KernelFeature, Presence>
}

/** What this machine's kernel lacks of what is needed; what it doesn't say is not lacking. */
export function kernelFailures(
  needed: readonly KernelFeature[],
  kernel: Readonly<Record<KernelFeature, Presence>> | undefined,
): SetupFailure[] {
  const absent = needed.filter((id) => kernel?.[id] === 'absent').map((id) => kernelFeatures[id])
  if (absent.length === 0) return []
  return [
    {
      what: `the kernel lacks ${absent.map(({ name }) => name).join(', ')}`,
      seen: absent.map(({ option, cost }) => `CONFIG_${option} is not set: ${cost}`).join('; '),
      next: 'choose a cluster that does without, or a machine with another kernel',
    },
  ]
}

/**
 * @param config text of a kernel configuration
 * @param modules whether module files for this kernel are on disk
 */
export function presenceOf(option: string, config: string, modules: boolean): Presence {
  const value = new RegExp(`^CONFIG_${option}=([ym])$`, 'm').exec(config)?.[1]
  if (value === undefined) return 'absent'
  return value === 'y' || modules ? 'present' : 'absent'
}

async function readConfig(): Promise<string | undefined> {
  try {
    return (await promisify(gunzip)(await readFile('/proc/config.gz'))).toString()
  } catch {
    return (
      (await readText(`/boot/config-${release()}`)) ?? (await readText(`/lib/modules/${release()}/config`))
    )
  }
}

async function readModules(): Promise<boolean> {
  return (await readdir(`/lib/modules/${release()}`).catch(() => [])).length > 0
}
