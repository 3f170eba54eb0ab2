import type { KubernetesObject } from '@kubernetes/client-node'
import { describe, expect, test } from 'vitest'
import type { Kube } from '../../helpers/kube.ts'
import type { CniLook, LookContext, NodeLook, TracedPod } from '../../helpers/looks/network-look.ts'
import type { RunOnNode } from '../../helpers/nodes.ts'
import { healthyWorld } from '../../helpers/world.testdata.ts'
import { look as calico } from './calico.ts'
import { look as cilium } from './cilium.ts'
import { look as flannel } from './flannel.ts'

/** What the commands of a node print, by a piece of the command; what is not there fails. */
type Printed = Readonly<Record<string, unknown>>

/** A node on which the commands of a look print this. */
const nodeThatPrints =
  (printed: Printed): RunOnNode =>
  async (_, [, , , , , ...words]) => {
    const parts: string[] = []
    for (let at = 0; at < words.length;) {
      const count = Number(words[at])
      const command = words.slice(at + 1, at + 1 + count).join(' ')
      at += 1 + count
      const found = Object.keys(printed).find((piece) => command.includes(piece))
      const text = found === undefined ? '' : printed[found]
      const out = typeof text === 'string' ? text : JSON.stringify(text)
      parts.push(found === undefined ? '1\n' : '0\n', out, found === undefined ? `cannot ${command}` : '')
    }
    return [...parts, ''].join('\0')
  }

const { nodes } = healthyWorld()
const [control, worker, worker2] = nodes
if (control === undefined || worker === undefined || worker2 === undefined) throw new Error('no nodes')

interface Objects {
  annotations?: Readonly<Record<string, Record<string, string>>>
  pods?: object[]
  [kind: string]: unknown
}

/** An API server that has these objects. */
const apiWith = (objects: Objects): Kube =>
  ({
    list: async (_: string, kind: string) => (objects[kind] ?? []) as KubernetesObject[],
    core: {
      listNode: async () => ({
        items: nodes.map(({ name }) => ({ metadata: { name, annotations: objects.annotations?.[name] } })),
      }),
      listPodForAllNamespaces: async () => ({ items: objects.pods ?? [] }),
    },
  }) as unknown as Kube

const contextOf = (printed: Printed, objects: Objects): LookContext => ({
  kube: apiWith(objects),
  runOnNode: nodeThatPrints(printed),
  nodes,
  podSubnet: '10.244.0.0/16',
})

const pod: TracedPod = {
  namespace: 'cnic',
  name: 'a',
  uid: 'uid-a',
  ip: '10.244.1.5',
  node: 'worker',
  hostInterface: { name: 'cali1', index: 7 },
}

const others = async (look: CniLook, printed: Printed, objects: Objects): Promise<string[]> => {
  const { others: read } = await look.node(contextOf(printed, objects), worker)
  if ('unread' in read) return [`unread: ${read.unread}`]
  return read.value.flatMap(({ name, missing }) => missing.map((each) => `${name}: ${each}`))
}

const ownPart = async <Part extends keyof NodeLook>(
  look: CniLook,
  part: Part,
  printed: Printed,
  objects: Objects,
): Promise<NodeLook[Part]> => (await look.node(contextOf(printed, objects), worker))[part]

const vxlan = (ifname: string, flags = ['UP']): object => ({
  ifindex: 3,
  ifname,
  flags,
  mtu: 1450,
  linkinfo: { info_kind: 'vxlan', info_data: { port: 8472 } },
})
const fdb = [
  { mac: 'aa:00:00:00:00:02', dst: '172.18.0.2', state: 'permanent' },
  { mac: 'aa:00:00:00:00:04', dst: '172.18.0.4', state: 'permanent' },
]

describe('Flannel', () => {
  const lease = (mac: string, backend = 'vxlan'): Record<string, string> => ({
    'flannel.alpha.coreos.com/backend-data': JSON.stringify({ VNI: 1, VtepMAC: mac }),
    'flannel.alpha.coreos.com/backend-type': backend,
  })
  const objects: Objects = {
    annotations: {
      'control-plane': lease('aa:00:00:00:00:02'),
      worker: lease('aa:00:00:00:00:03'),
      worker2: lease('aa:00:00:00:00:04'),
    },
  }
  const neighbours = [
    { dst: '10.244.0.0', lladdr: 'aa:00:00:00:00:02', state: ['PERMANENT'] },
    { dst: '10.244.2.0', lladdr: 'aa:00:00:00:00:04', state: ['PERMANENT'] },
  ]
  const routes = [
    { dst: '10.244.0.0/24', gateway: '10.244.0.0', dev: 'flannel.1' },
    { dst: '10.244.2.0/24', gateway: '10.244.2.0', dev: 'flannel.1' },
  ]
  const result = {
    cniArgs: [
      ['K8S_POD_NAMESPACE', 'cnic'],
      ['K8S_POD_NAME', 'a'],
      ['K8S_POD_UID', 'uid-a'],
    ],
    result: { ips: [{ address: '10.244.1.5/24' }] },
  }
  const healthy: Printed = {
    'bridge -json fdb': fdb,
    'ip -json neigh': neighbours,
    'ip -json route': routes,
    'ip -json -details link': [vxlan('flannel.1')],
    '/var/lib/cni/results': [result],
    '/var/lib/cni/networks': '10.244.1.5\nlast_reserved_ip.0\nlock\n',
    '/healthz': 'flanneld is running',
    'flanneld --version': 'v1\n',
    'subnet.env': 'FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\n',
  }
  const seen = (change: Printed): Promise<string[]> => others(flannel, { ...healthy, ...change }, objects)

  test('a healthy node', async () => {
    const { others: known, ...rest } = await flannel.node(contextOf(healthy, objects), worker)
    expect(known).toEqual({ value: [control, worker2].map(({ name }) => ({ name, missing: [] })) })
    expect(rest).toMatchObject({
      health: { value: { ok: true, says: 'flanneld is running' } },
      version: { value: 'v1' },
      encapsulation: { value: 'vxlan' },
      endpoints: { value: [{ pod: 'cnic/a', addresses: ['10.244.1.5'] }] },
      ranges: { value: ['10.244.1.1/24'] },
    })
  })

  test('each thing that a tunnel to another node takes is missed by name', async () => {
    expect(await seen({ 'bridge -json fdb': fdb.slice(0, 1) })).toEqual([
      'worker2: no FDB entry for worker2 (172.18.0.4) on flannel.1',
    ])
    expect(await seen({ 'ip -json neigh': neighbours.slice(1) })).toEqual([
      'control-plane: no neighbour entry for 10.244.0.0 of control-plane on flannel.1',
    ])
    expect(await seen({ 'ip -json route': routes.slice(0, 1) })).toEqual([
      'worker2: no route to 10.244.2.0/24 of worker2',
    ])
    expect(await seen({ 'ip -json -details link': [vxlan('flannel.1', [])] })).toEqual([
      'control-plane: flannel.1 is down',
      'worker2: flannel.1 is down',
    ])
    expect(await seen({ 'ip -json -details link': [] })).toHaveLength(2)
    const wrongMac = [fdb[0], { ...fdb[1], mac: 'aa:00:00:00:00:09' }]
    expect(await seen({ 'bridge -json fdb': wrongMac })).toEqual([
      'worker2: FDB has aa:00:00:00:00:09 for worker2 (172.18.0.4) on flannel.1, not aa:00:00:00:00:04',
    ])
  })

  test('a node without a lease, and host-gw, which takes a route alone', async () => {
    const without = { annotations: { ...objects.annotations, worker2: {} } }
    expect(await others(flannel, healthy, without)).toEqual([
      'worker2: worker2 has no lease: its Node has no flannel.alpha.coreos.com/backend-type',
    ])
    const direct = { annotations: Object.fromEntries(nodes.map(({ name }) => [name, lease('', 'host-gw')])) }
    const printed = {
      'ip -json route': [
        { dst: '10.244.0.0/24', gateway: '172.18.0.2', dev: 'eth0' },
        { dst: '10.244.2.0/24', gateway: '172.18.0.9', dev: 'eth0' },
      ],
      'ip -json -details link': [],
    }
    expect(await others(flannel, printed, direct)).toEqual([
      'worker2: the route to 10.244.2.0/24 leads to 172.18.0.9, not to worker2 (172.18.0.4)',
    ])
  })

  test('what cannot be read is unread, not missing', async () => {
    expect(await others(flannel, { ...healthy, 'bridge -json fdb': 'no JSON' }, objects)).toEqual([
      expect.stringMatching(/^unread: /) as string,
    ])
    expect(await ownPart(flannel, 'health', {}, objects)).toEqual({
      unread: 'cannot curl --silent --show-error --fail --max-time 2 http://127.0.0.1:8081/healthz',
    })
  })

  test('traces of a pod: its interface by name or index, its result and its address, unless that is given again', async () => {
    const links = [{ ifindex: 9, ifname: 'cali1', mtu: 1450 }]
    const kinds = async (printed: Printed): Promise<string[]> =>
      (await flannel.traces(contextOf({ ...healthy, ...printed }, objects), pod)).map(({ kind }) => kind)
    expect(await kinds({ 'ip -json -details link': links })).toEqual(['interface', 'endpoint', 'address'])
    expect(await kinds({ '/var/lib/cni/results': [] })).toEqual(['address'])
    expect(await kinds({ '/var/lib/cni/results': [], '/var/lib/cni/networks': '' })).toEqual([])
    const another = { ...result, cniArgs: [['K8S_POD_UID', 'uid-b']] }
    expect(await kinds({ '/var/lib/cni/results': [another] })).toEqual([])
    await expect(kinds({ '/var/lib/cni/results': 'no JSON' })).rejects.toThrow(/JSON/)
  })
})

describe('Calico', () => {
  const block = (node: string, cidr: string, allocations: (number | null)[] = [null]): object => ({
    spec: {
      cidr,
      affinity: `host:${node}`,
      allocations,
      attributes: [{ secondary: { namespace: 'cnic', pod: 'a' } }],
    },
  })
  const blocks = [
    block('control-plane', '10.244.0.0/26'),
    block('worker', '10.244.1.0/26', [null, null, null, null, null, 0]),
    block('worker2', '10.244.2.0/26'),
  ]
  const pool = { metadata: { name: 'pool' }, spec: { cidr: '10.244.0.0/16', vxlanMode: 'Always' } }
  const tunnelAddress = (address: string): Record<string, string> => ({
    'projectcalico.org/IPv4VXLANTunnelAddr': address,
  })
  const objects: Objects = {
    IPPool: [pool],
    IPAMBlock: blocks,
    annotations: { 'control-plane': tunnelAddress('10.244.0.0'), worker2: tunnelAddress('10.244.2.0') },
    pods: [
      {
        metadata: {
          namespace: 'cnic',
          name: 'a',
          annotations: { 'cni.projectcalico.org/podIP': '10.244.1.5/32' },
        },
        spec: {},
        status: { phase: 'Running' },
      },
    ],
  }
  const healthy: Printed = {
    'bridge -json fdb': fdb,
    'ip -json neigh': [
      { dst: '10.244.0.0', lladdr: 'aa:00:00:00:00:02' },
      { dst: '10.244.2.0', lladdr: 'aa:00:00:00:00:04' },
    ],
    'route show exact': [{ dst: '10.244.1.5', dev: 'cali1' }],
    'ip -json route': [
      { dst: '10.244.0.0/26', gateway: '10.244.0.0', dev: 'vxlan.calico' },
      { dst: '10.244.2.0/26', gateway: '10.244.2.0', dev: 'vxlan.calico' },
      { dst: '10.244.1.5', dev: 'cali1' },
    ],
    'ip -json -details link': [vxlan('vxlan.calico'), { ifindex: 7, ifname: 'cali1', mtu: 1450 }],
    'cali-FORWARD': '-P INPUT ACCEPT\n-N cali-FORWARD\n-N cali-fw-cali1\n-N cali-tw-cali1\n',
  }
  const seen = (change: Printed): Promise<string[]> => others(calico, { ...healthy, ...change }, objects)

  test('a healthy node', async () => {
    expect(await seen({})).toEqual([])
    expect(await ownPart(calico, 'encapsulation', healthy, objects)).toEqual({ value: 'vxlan' })
    expect(await ownPart(calico, 'ranges', healthy, objects)).toEqual({ value: ['10.244.1.0/26'] })
    expect(await ownPart(calico, 'endpoints', healthy, objects)).toEqual({
      value: [{ pod: 'cnic/a', addresses: ['10.244.1.5'] }],
    })
  })

  test('each thing that another node takes is missed by name', async () => {
    expect(await seen({ 'bridge -json fdb': fdb.slice(0, 1) })).toEqual([
      'worker2: no FDB entry for worker2 (172.18.0.4) on vxlan.calico',
    ])
    expect(await seen({ 'ip -json neigh': [] })).toHaveLength(2)
    expect(await seen({ 'ip -json route': [] })).toEqual([
      'control-plane: no route to 10.244.0.0/26 of control-plane',
      'worker2: no route to 10.244.2.0/26 of worker2',
    ])
    const fewer = { ...objects, IPAMBlock: blocks.slice(0, 2) }
    expect(await others(calico, healthy, fewer)).toEqual(['worker2: no IPAMBlock has an affinity to worker2'])
  })

  test('BGP: a session for each other node, and routes to the nodes themselves', async () => {
    const bgp = { ...objects, IPPool: [{ ...pool, spec: { cidr: '10.244.0.0/16' } }] }
    const direct = {
      ...healthy,
      'ip -json route': [
        { dst: '10.244.0.0/26', gateway: '172.18.0.2', dev: 'eth0' },
        { dst: '10.244.2.0/26', gateway: '172.18.0.4', dev: 'eth0' },
      ],
      'ip -json -details link': [{ ifindex: 2, ifname: 'eth0', mtu: 1500 }],
      'bird.ctl':
        '0001 BIRD 1.6.8 ready.\n2002-name proto table state since info\n1002-Mesh_172_18_0_2 BGP master up 12:00:00 Established\n Mesh_172_18_0_4 BGP master start 12:00:00 Active Socket: Connection refused\n0000 \n',
    }
    expect(await others(calico, direct, bgp)).toEqual([
      'worker2: the BGP session with worker2 (172.18.0.4) is start 12:00:00 Active Socket: Connection refused',
    ])
    expect(await others(calico, { ...direct, 'bird.ctl': '0001 BIRD ready.' }, bgp)).toHaveLength(2)
    expect(await ownPart(calico, 'encapsulation', direct, bgp)).toEqual({ value: 'none' })
    expect(await ownPart(calico, 'encapsulation', direct, objects)).toEqual({
      value: 'none, but IPPool pool says vxlan',
    })
  })

  test('an endpoint is one when Felix and IPAM have it', async () => {
    const problem = async (printed: Printed, changed: Objects = objects): Promise<unknown> =>
      ownPart(calico, 'endpoints', { ...healthy, ...printed }, changed)
    expect(await problem({ 'cali-FORWARD': '-N cali-FORWARD\n' })).toMatchObject({
      value: [{ problem: 'Felix has no chain cali-tw-cali1' }],
    })
    expect(await problem({ 'ip -json route': [] })).toMatchObject({
      value: [{ problem: 'Felix has no route to 10.244.1.5' }],
    })
    expect(await problem({}, { ...objects, IPAMBlock: [] })).toMatchObject({
      value: [{ problem: 'no IPAMBlock holds 10.244.1.5 for it' }],
    })
  })

  test('traces of a pod: interface, route, both chains, address', async () => {
    const kinds = async (printed: Printed, changed: Objects): Promise<string[]> =>
      (await calico.traces(contextOf({ ...healthy, ...printed }, changed), pod)).map(({ kind }) => kind)
    expect(await kinds({}, objects)).toEqual(['interface', 'route', 'endpoint', 'endpoint', 'address'])
    const gone = { 'route show exact': [], 'ip -json -details link': [], 'cali-FORWARD': '-N cali-FORWARD\n' }
    expect(await kinds(gone, { ...objects, IPAMBlock: [] })).toEqual([])
  })
})

describe('Cilium', () => {
  const status = {
    cilium: { state: 'Ok', msg: '1.19.4 (v1.19.4-95e477fd)' },
    routing: { 'inter-host-routing-mode': 'Tunnel', 'tunnel-protocol': 'vxlan' },
    'kube-proxy-replacement': { mode: 'True' },
    ipam: { allocations: { '10.244.1.5': 'cnic/a' } },
  }
  const endpoint = {
    id: 12,
    status: {
      'external-identifiers': { 'k8s-namespace': 'cnic', 'k8s-pod-name': 'a' },
      networking: { addressing: [{ ipv4: '10.244.1.5' }] },
      state: 'ready',
    },
  }
  const entry = (address: string): string[] => [
    `identity=2 encryptkey=0 tunnelendpoint=${address} flags=<none>`,
  ]
  const healthy: Printed = {
    '/v1/healthz': status,
    '/v1/endpoint': [endpoint],
    '/v1/cluster/nodes': { 'nodes-added': nodes.map(({ name }) => ({ name: `default/${name}` })) },
    'pgrep -o -x cilium-agent': '/usr/bin/cilium-agent\n',
    'ipcache list': { '10.244.0.0/24': entry('172.18.0.2'), '10.244.2.0/24': entry('172.18.0.4') },
    'bpf endpoint list': { '10.244.1.5:0': ['id=12'] },
    'ip -json -details link': [vxlan('cilium_vxlan')],
    'ip -json route': [
      { dst: '10.244.0.0/24', gateway: '10.244.1.7', dev: 'cilium_host' },
      { dst: '10.244.2.0/24', gateway: '10.244.1.7', dev: 'cilium_host' },
    ],
  }
  const objects: Objects = {
    CiliumNode: nodes.map(({ name, podCIDR }) => ({
      metadata: { name },
      spec: { ipam: { podCIDRs: [podCIDR] } },
    })),
    CiliumEndpoint: [{ metadata: { namespace: 'cnic', name: 'a', ownerReferences: [{ uid: 'uid-a' }] } }],
  }
  const seen = (change: Printed): Promise<string[]> => others(cilium, { ...healthy, ...change }, objects)

  test('a healthy node', async () => {
    const { others: known, ...rest } = await cilium.node(contextOf(healthy, objects), worker)
    expect(known).toEqual({ value: [control, worker2].map(({ name }) => ({ name, missing: [] })) })
    expect(rest).toMatchObject({
      health: { value: { ok: true } },
      version: { value: 'v1.19.4' },
      encapsulation: { value: 'vxlan' },
      servesServices: { value: 'Cilium serves Services' },
      endpoints: { value: [{ pod: 'cnic/a', addresses: ['10.244.1.5'] }] },
      ranges: { value: ['10.244.1.0/24'] },
    })
  })

  test('each thing that another node takes is missed by name', async () => {
    expect(await seen({ 'ipcache list': { '10.244.0.0/24': entry('172.18.0.2') } })).toEqual([
      'worker2: no ipcache entry for 10.244.2.0/24 of worker2 (172.18.0.4)',
    ])
    expect(
      await seen({
        'ipcache list': { '10.244.0.0/24': entry('172.18.0.2'), '10.244.2.0/24': entry('172.18.0.2') },
      }),
    ).toEqual(['worker2: the ipcache leads 10.244.2.0/24 of worker2 to 172.18.0.2, not to 172.18.0.4'])
    expect(await seen({ '/v1/cluster/nodes': { 'nodes-added': [{ name: 'control-plane' }] } })).toEqual([
      "worker2: worker2 is not on the agent's list of nodes",
    ])
    expect(await seen({ 'ip -json route': [] })).toHaveLength(2)
    expect(await seen({ 'ip -json -details link': [vxlan('cilium_vxlan', [])] })).toHaveLength(2)
  })

  test('an agent that is not well, another program, a tunnel that is down, an endpoint that is not in the data plane', async () => {
    const ill = { ...status, cilium: { state: 'Warning', msg: 'kvstore' } }
    expect(await ownPart(cilium, 'health', { ...healthy, '/v1/healthz': ill }, objects)).toEqual({
      value: { ok: false, says: 'Warning: kvstore' },
    })
    expect(await ownPart(cilium, 'health', { ...healthy, '/v1/healthz': 'no JSON' }, objects)).toHaveProperty(
      'unread',
    )
    const other = { ...healthy, 'pgrep -o -x cilium-agent': '/usr/bin/cilium-agent.old' }
    expect(await ownPart(cilium, 'version', other, objects)).toEqual({
      value: 'v1.19.4, but its program was replaced: it runs from /usr/bin/cilium-agent.old',
    })
    const down = { ...healthy, 'ip -json -details link': [vxlan('cilium_vxlan', [])] }
    expect(await ownPart(cilium, 'encapsulation', down, objects)).toEqual({
      value: 'vxlan, says the agent, but cilium_vxlan is down',
    })
    expect(
      await ownPart(cilium, 'endpoints', { ...healthy, 'bpf endpoint list': {} }, objects),
    ).toMatchObject({
      value: [{ problem: '10.244.1.5 is not in the eBPF map of endpoints' }],
    })
  })

  test('traces of a pod: interface, endpoint in the agent, the API and eBPF, address', async () => {
    const kinds = async (printed: Printed, changed: Objects): Promise<string[]> =>
      (await cilium.traces(contextOf({ ...healthy, ...printed }, changed), pod)).map(({ kind }) => kind)
    expect(await kinds({}, objects)).toEqual(['endpoint', 'endpoint', 'endpoint', 'address'])
    const gone = {
      '/v1/healthz': { ...status, ipam: {} },
      '/v1/endpoint': [],
      'bpf endpoint list': {},
    }
    expect(await kinds(gone, { ...objects, CiliumEndpoint: [] })).toEqual([])
  })
})
