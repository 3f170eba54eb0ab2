import { expect, test } from 'vitest'
import { knownClusters, loadDefinitions } from './definition.ts'
import { kernelFailures, kernelFeatures } from './host/kernel.ts'
import type { KernelFeature, Presence } from './host/kernel.ts'
import { kernelNeeds, refusalOf } from './runnable.ts'

const shipped = await loadDefinitions(await knownClusters())

const kernelWithout = (...absent: KernelFeature[]): Record<KernelFeature, Presence> =>
  Object.fromEntries(
    Object.keys(kernelFeatures).map((id) => [id, absent.some((name) => name === id) ? 'absent' : 'present']),
  ) as Record<KernelFeature, Presence>

/** Which of the shipped clusters a machine without that feature cannot run. */
const stopped = (...absent: KernelFeature[]): string[] =>
  shipped
    .filter(({ definition }) => kernelFailures(kernelNeeds(definition), kernelWithout(...absent)).length > 0)
    .map(({ definition }) => definition.name)

test('what a kernel lacks stops the clusters that need it, and no other', () => {
  expect(stopped()).toEqual([])
  expect(stopped('ipvs')).toEqual(['flannel-ipvs'])
  expect(stopped('nfTables')).toEqual(['flannel-nftables'])
  expect(stopped('ipv6')).toEqual(['cilium-dual-stack'])
  expect(stopped('bpf')).toEqual(['cilium', 'cilium-dual-stack', 'cilium-kpr'])
  expect(stopped('ipSet')).toEqual(['calico', 'calico-bgp', 'calico-operator'])
  expect(stopped('ipip', 'wireguard', 'sctp')).toEqual([])
  expect(stopped('vxlan')).not.toContain('flannel-host-gw')
  expect(stopped('vxlan')).toHaveLength(shipped.length - 2)
})

test('IPIP needs its own', () => {
  const [calico] = shipped.filter(({ definition }) => definition.name === 'calico')
  if (calico === undefined) throw new Error('no cluster calico')
  const { definition } = calico
  const ipip = { ...definition, cni: { ...definition.cni, encapsulation: 'ipip' } }
  expect(kernelFailures(kernelNeeds(ipip), kernelWithout('ipip'))).toEqual([
    {
      what: 'the kernel lacks IPIP',
      seen: 'CONFIG_NET_IPIP is not set: no IPIP encapsulation with Calico',
      next: 'choose a cluster that does without, or a machine with another kernel',
    },
  ])
})

test('of what is shipped, the product itself refuses the operator alone', () => {
  const refused = shipped.filter(({ definition }) => refusalOf(definition) !== undefined)
  expect(refused.map(({ definition }) => definition.name)).toEqual(['calico-operator'])
})
