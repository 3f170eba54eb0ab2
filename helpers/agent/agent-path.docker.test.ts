import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { awaitUntil } from '../await.ts'
import { budgets } from '../budgets.ts'
import { run } from '../exec.ts'
import { askAll, LocalAgents, peerProbe, type LocalClient } from './local-agent.ts'
import { agentPorts, toolsPorts, type WireProbe, type WireResult } from './protocol.ts'

/**
 * Two agents in network namespaces of their own with a router between, as two pods of two nodes; beside the first one
 * something that runs programs as agnhost does. Needs root.
 */

const names = ['client', 'router', 'server'] as const
type Name = (typeof names)[number]
const addresses = { client: '10.9.1.2', server: '10.9.2.2' } as const
const linkMtu = 1_450

const holders = new Map<Name, ChildProcess>()
const children: ChildProcess[] = []
const agents: LocalAgents[] = []
let from: LocalClient
let to: LocalClient

async function start([command = '', ...args]: readonly string[]): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  await once(child.stdout, 'data')
  return child
}

const enter = (name: Name): string[] => ['nsenter', '-t', String(holders.get(name)?.pid), '-n', '-m']
const inside = (name: Name, command: string) => run([...enter(name), ...command.split(' ')])

/** What `agnhost netexec` does with /shell. */
const shellServer = `
const { execFile } = require('node:child_process')
require('node:http').createServer((request, response) => {
  const line = new URL(request.url, 'http://tools').searchParams.get('cmd')
  execFile('sh', ['-c', line], (_error, output, errors) => response.end(JSON.stringify({ output: output + errors })))
}).listen(${toolsPorts.http}, '127.0.0.1', () => console.log('ready'))`

/** An end of a link to the router, with the way to everywhere. */
async function link(name: Exclude<Name, 'router'>): Promise<void> {
  const gateway = addresses[name].replace(/\d+$/, '1')
  await inside('router', `ip link add ${name} type veth peer name eth0 netns ${holders.get(name)?.pid}`)
  await inside('router', `ip addr add ${gateway}/24 dev ${name}`)
  await inside('router', `ip link set ${name} mtu ${linkMtu} up`)
  await inside(name, 'mount -t sysfs none /sys')
  await inside(name, 'ip link set lo up')
  await inside(name, `ip addr add ${addresses[name]}/24 dev eth0`)
  await inside(name, `ip link set eth0 mtu ${linkMtu} up`)
  await inside(name, `ip route add default via ${gateway}`)
}

/** The kernel notices up to a second later that a link has two ends, and until then it is no interface to Node.js. */
const awaitLink = (name: Name): Promise<void> =>
  awaitUntil(
    async () => {
      const { stdout: seen } = await inside(name, 'ip -o link show eth0')
      return seen.includes('state UP') ? { done: true, value: undefined } : { done: false, seen }
    },
    { what: `eth0 of ${name} to be up`, budget: budgets.nodeCommandMs, next: 'look at `ip link`' },
  )

beforeAll(async () => {
  for (const name of names)
    holders.set(name, await start(['unshare', '-n', '-m', 'sh', '-c', 'echo ready; exec sleep 300']))
  await link('client')
  await link('server')
  await Promise.all([awaitLink('client'), awaitLink('server')])
  await inside('router', 'sysctl -q -w net.ipv4.ip_forward=1')
  await start([...enter('client'), process.execPath, '-e', shellServer])
  ;[from, to] = (await Promise.all(
    (['client', 'server'] as const).map(async (name) => {
      const local = new LocalAgents(enter(name))
      agents.push(local)
      return local.client(await local.pod(name, undefined, agentPorts))
    }),
  )) as [LocalClient, LocalClient]
})

afterAll(async () => {
  await Promise.all(agents.map((each) => each[Symbol.asyncDispose]()))
  for (const child of children) child.kill('SIGKILL')
})

let turn = 0

async function ask(client: LocalClient, probe: Partial<WireProbe>): Promise<WireResult> {
  const [result] = await askAll(client, [{ id: 1, timeoutMs: 3_000, ...probe } as WireProbe])
  if (result === undefined) throw new Error('no row')
  return result
}

/** What the sender says of the path, and how many of its datagrams the receiver says that it has. */
async function path(): Promise<{ path: WireResult['path']; arrived: number }> {
  turn += 1
  const nonces = [1, 2, 3].map((each) => `oneway-${turn}-${each}`)
  const sent = await ask(from, { kind: 'path-mtu', host: addresses.server, port: agentPorts.udp, nonces })
  const { received = [] } = await ask(to, { kind: 'receipts', nonces })
  return { path: sent.path, arrived: received.length }
}

test('a path as wide as its ends: packets as long as the interface takes them arrive', async () => {
  expect(await path()).toEqual({ path: { interfaceMtu: linkMtu, mtu: linkMtu }, arrived: 3 })
})

test('a route with an MTU of its own is no news: packets are as long as it says', async () => {
  await inside('client', `ip route replace ${addresses.server} via 10.9.1.1 mtu 1400`)
  expect(await path()).toEqual({ path: { interfaceMtu: linkMtu, mtu: 1_400 }, arrived: 3 })
  await inside('client', `ip route del ${addresses.server} via 10.9.1.1`)
})

test('a black hole for long packets: nobody says anything, and nothing arrives', async () => {
  const rule = 'FORWARD -m length --length 1300:65535 -j DROP'
  await inside('router', `iptables -w 5 -I ${rule}`)
  expect(await path()).toEqual({ path: { interfaceMtu: linkMtu, mtu: linkMtu }, arrived: 0 })
  await inside('router', `iptables -w 5 -D ${rule}`)
})

test('a router that says that it takes shorter ones is heard, also when the kernel then cuts them', async () => {
  await inside('router', 'ip route replace 10.9.2.0/24 dev server mtu 1300')
  const first = await path()
  expect(first.path).toEqual({ interfaceMtu: linkMtu, mtu: linkMtu, told: 1_300 })
  const long: WireProbe = {
    ...peerProbe(1, 'datagram', addresses.server, agentPorts.udp),
    fill: 'mtu',
  } as WireProbe
  await askAll(from, [long])
  const { received } = await ask(to, { kind: 'receipts', nonces: ['oneway-datagram-1'] })
  expect(received).toEqual(['oneway-datagram-1'])
  expect((await path()).path?.told).toBe(1_300)
})

test('a datagram of twice the MTU is put together, unless the receiver has no room for pieces', async () => {
  const long = (id: number): WireProbe =>
    ({ ...peerProbe(id, 'datagram', addresses.server, agentPorts.udp), fill: 'twice-mtu' }) as WireProbe
  const nonces = (id: number): string[] => [`oneway-datagram-${id}`]
  await askAll(from, [long(2)])
  expect((await ask(to, { kind: 'receipts', nonces: nonces(2) })).received).toEqual(nonces(2))
  await inside('server', 'sysctl -q -w net.ipv4.ipfrag_low_thresh=0 net.ipv4.ipfrag_high_thresh=0')
  await askAll(from, [long(3)])
  expect((await ask(to, { kind: 'receipts', nonces: nonces(3) })).received).toEqual([])
})

test('a connection is forgotten by a packet filter while it is silent', async () => {
  const silent = { ...peerProbe(1, 'tcp', addresses.server, agentPorts.tcp, 4_000), silentMs: 2_500 }
  await inside('server', 'iptables -w 5 -I INPUT -p tcp ! --syn -m conntrack --ctstate NEW -j DROP')
  await inside('server', 'sysctl -q -w net.netfilter.nf_conntrack_tcp_timeout_established=1')
  expect((await ask(from, silent)).end).toBe('timeout')
  await inside('server', 'sysctl -q -w net.netfilter.nf_conntrack_tcp_timeout_established=60')
  expect((await ask(from, silent)).end).toBe('answered')
})

test('a socket that is held is opened anew when the kernel has closed it', async () => {
  const held = {
    ...peerProbe(1, 'udp', addresses.server, agentPorts.udp),
    sourcePort: 63_600,
    held: true,
  } as WireProbe
  const destroyed = () => inside('client', `ss -K -u sport = :63600`)
  expect((await ask(from, held)).end).toBe('answered')
  expect((await destroyed()).stdout).toContain(addresses.server)
  expect((await ask(from, held)).end).toBe('answered')
})
