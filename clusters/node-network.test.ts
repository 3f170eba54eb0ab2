import { expect, test } from 'vitest'
import { encapsulationOf, pathsBetweenNodes, pathsText, podMtu, routeMtu } from './node-network.ts'

const eth0 = { ifname: 'eth0', mtu: 1500, linkinfo: { info_kind: 'veth' } }
const node = (routes: object[], links: object[]) => (_: string, argv: readonly string[]) =>
  Promise.resolve(JSON.stringify(argv.includes('route') ? routes : links))

test('a tunnel is told from a route that only passes the node', async () => {
  const tunnel = {
    ifname: 'vxlan.calico',
    mtu: 1450,
    linkinfo: { info_kind: 'vxlan', info_data: { port: 4789 } },
  }
  const routes = [
    { dst: 'default', gateway: '172.18.0.1', dev: 'eth0' },
    { dst: '172.18.0.0/16', dev: 'eth0' },
    { type: 'blackhole', dst: '10.244.1.0/26' },
    { dst: '10.244.1.3', dev: 'cali123' },
    { dst: '10.244.2.0/26', gateway: '10.244.2.0', dev: 'vxlan.calico' },
    { dst: '10.244.3.0/26', gateway: '10.244.3.0', dev: 'vxlan.calico' },
  ]
  const paths = await pathsBetweenNodes(node(routes, [eth0, tunnel]), 'worker', '10.244.0.0/16')
  expect(encapsulationOf(paths, 'none')).toBe('vxlan')
  expect(pathsText(paths)).toBe('vxlan, interface vxlan.calico, UDP port 4789')
})

test('routes over the other nodes, and no routes at all', async () => {
  const routes = [{ dst: '10.244.2.0/24', gateway: '172.18.0.3', dev: 'eth0' }]
  const direct = await pathsBetweenNodes(node(routes, [eth0]), 'worker', '10.244.0.0/16')
  expect([encapsulationOf(direct, 'host-gw'), pathsText(direct)]).toEqual(['host-gw', 'routes through eth0'])
  const none = await pathsBetweenNodes(node([], [eth0]), 'worker', '10.244.0.0/16')
  expect([encapsulationOf(none, 'host-gw'), pathsText(none)]).toEqual([
    'none to be seen',
    'no route to the pods of other nodes',
  ])
})

test('the MTU of routes counts where it is set for the pods of other nodes', async () => {
  const routes = [
    { dst: 'default', gateway: '172.18.0.1', dev: 'eth0', metrics: [{ mtu: 1400 }] },
    { dst: '10.244.1.0/24', gateway: '10.244.1.7', dev: 'cilium_host' },
    { dst: '10.244.2.0/24', gateway: '10.244.1.7', dev: 'cilium_host', metrics: [{ mtu: 1450 }] },
  ]
  expect(await routeMtu(node(routes, []), 'worker', '10.244.0.0/16')).toBe(1450)
  expect(await routeMtu(node(routes.slice(0, 2), []), 'worker', '10.244.0.0/16')).toBeUndefined()
})

test('a path that is half wrapped says so', async () => {
  const tunnel = {
    ifname: 'flannel.1',
    mtu: 1450,
    linkinfo: { info_kind: 'vxlan', info_data: { port: 8472 } },
  }
  const routes = [
    { dst: '10.244.2.0/24', gateway: '172.18.0.3', dev: 'eth0' },
    { dst: '10.244.3.0/24', gateway: '10.244.3.0', dev: 'flannel.1' },
  ]
  const paths = await pathsBetweenNodes(node(routes, [eth0, tunnel]), 'worker', '10.244.0.0/16')
  expect(encapsulationOf(paths, 'host-gw')).toBe('host-gw and vxlan')
})

test('the MTU is that of the pods, not of the node', async () => {
  const links = [eth0, { ifname: 'cali1', mtu: 1450 }, { ifname: 'cali2', mtu: 1440 }]
  expect(await podMtu(node([], links), 'worker', 'cali')).toBe(1440)
  expect(await podMtu(node([], links), 'worker', 'lxc')).toBeUndefined()
})
