import type { ClusterDefinition } from './definition-schema.ts'
import type { ClusterSize } from './host/capacity.ts'
import type { KernelFeature, Presence } from './host/kernel.ts'
import { readKernelFeatures } from './host/kernel.ts'
import { cniTraits } from './supported.ts'
import type { Path } from '../helpers/yaml.ts'

/**
 * Whether a definition that says nothing wrong can be run: by this product, and on this machine. Asked before anything
 * is created.
 */

const tunnelFeatures: Readonly<Record<string, readonly KernelFeature[]>> = {
  vxlan: ['vxlan'],
  ipip: ['ipip'],
}

/** What a definition needs of the kernel under its nodes. */
export function kernelNeeds({ cni, network }: Pick<ClusterDefinition, 'cni' | 'network'>): KernelFeature[] {
  const { kubeProxy, ipFamily } = network
  return [
    ...(cniTraits[cni.name]?.kernel ?? []),
    ...(tunnelFeatures[cni.encapsulation] ?? []),
    ...(kubeProxy === 'ipvs' ? (['ipvs'] as const) : []),
    ...(kubeProxy === 'nftables' ? (['nfTables'] as const) : []),
    ...(kubeProxy === 'iptables' ? (['statistic'] as const) : []),
    ...(ipFamily === 'ipv4' ? [] : (['ipv6'] as const)),
  ]
}

/** What a cluster of this definition takes of a machine. */
export function sizeOf({ nodes, cni }: Pick<ClusterDefinition, 'nodes' | 'cni'>): ClusterSize {
  return { ...nodes, cniMiB: cniTraits[cni.name]?.memoryPerNodeMiB ?? 0 }
}

/** Features of the kernel that the nodes will run on; undefined where Docker, and with it that kernel, is elsewhere. */
export async function nodesKernel(): Promise<Readonly<Record<KernelFeature, Presence>> | undefined> {
  const host = process.env['DOCKER_HOST']
  return host === undefined || host.startsWith('unix:') ? await readKernelFeatures() : undefined
}

/** What of a definition the product knows but does not take. */
export interface Refusal {
  /** The field that asks for it. */
  path: Path
  why: string
  next: string
}

/** Why the product itself cannot run a definition; undefined when it can. */
export function refusalOf({ cni }: Pick<ClusterDefinition, 'cni'>): Refusal | undefined {
  const refused = cniTraits[cni.name]?.installers[cni.installer ?? '']?.refused
  return refused === undefined ? undefined : { path: ['cni', 'installer'], ...refused }
}
