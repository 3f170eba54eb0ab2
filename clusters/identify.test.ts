import { expect, test } from 'vitest'
import type { Cni, CniContext, CniIdentity } from './cni/cni.ts'
import { identifyNetwork } from './identify.ts'

type Declared = Parameters<typeof identifyNetwork>[3]

const definition: Declared = {
  name: 'mine',
  network: {
    ipFamily: 'ipv4',
    podSubnet: '10.244.0.0/16',
    serviceSubnet: '10.96.0.0/16',
    kubeProxy: 'iptables',
  },
  cni: { name: 'x', version: 'v1.0.0', encapsulation: 'vxlan' },
}

/** A network that says this of itself, on a node whose kube-proxy answers with that mode. */
const identify = async (own: Partial<CniIdentity>, proxy: string | undefined, declared = definition) => {
  const identity = { version: 'v1.0.0', encapsulation: 'vxlan', dataPlane: 'vxlan', ...own }
  const cni = { hostInterface: 'veth', identify: () => Promise.resolve(identity) } as unknown as Cni
  const runOnNode = (_: string, argv: readonly string[]): Promise<string> => {
    if (argv[0] === 'ip') return Promise.resolve('[{"ifname":"veth1","mtu":1450}]')
    return proxy === undefined
      ? Promise.reject(new Error('connection refused'))
      : Promise.resolve(`${proxy}\n`)
  }
  return await identifyNetwork(cni, { runOnNode } as unknown as CniContext, 'worker', declared)
}

const withoutProxy: Declared = { ...definition, network: { ...definition.network, kubeProxy: 'none' } }

test('what is measured is what is reported', async () => {
  expect(await identify({}, 'iptables')).toEqual({
    version: 'v1.0.0',
    encapsulation: 'vxlan',
    dataPlane: 'vxlan',
    kubeProxy: 'iptables',
    mtu: 1450,
  })
  const replaced = await identify({ kubeProxyReplacement: 'replaced' }, undefined, withoutProxy)
  expect(replaced.kubeProxy).toBe('none (replaced)')
})

test.each([
  [{ encapsulation: 'none' }, 'iptables', definition, /encapsulation none, declared vxlan/],
  [{}, 'nftables', definition, /kube-proxy nftables, declared iptables/],
  [{}, undefined, definition, /kube-proxy none, declared iptables; nobody who serves Services/],
  [{}, undefined, withoutProxy, /nobody who serves Services/],
] as const)(
  'another network than declared ends the leg: %j, kube-proxy %j',
  async (own, proxy, declared, seen) => {
    await expect(identify(own, proxy, declared)).rejects.toThrow(seen)
  },
)
