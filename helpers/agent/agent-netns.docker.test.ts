import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../exec.ts'
import { askAll, LocalAgents, peerProbe, type LocalClient } from './local-agent.ts'
import { agentPorts, type WireProbe } from './protocol.ts'

/**
 * The agent in a network namespace of its own, as in a pod: one interface with a default route that leads nowhere.
 * Needs root for the namespace, the packet filter and a resolv.conf of its own.
 */

const own = '10.9.0.1'
let holder: ChildProcess
let agents: LocalAgents
let from: LocalClient

/** Starts a process; settles with its first line of output. */
async function start([command = '', ...args]: readonly string[]): Promise<ChildProcess> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  return child
}

/** Runs a command inside. */
const inside = (command: string) => run([...enter(), ...command.split(' ')])
const enter = (): string[] => ['nsenter', '-t', String(holder.pid), '-n', '-m']

beforeAll(async () => {
  holder = await start(['unshare', '-n', '-m', 'sh', '-c', 'echo ready; exec sleep 300'])
  for (const command of [
    // The kernel's view of interfaces in /sys belongs to the namespace that mounted it.
    'mount -t sysfs none /sys',
    'ip link set lo up',
    'ip link add eth0 type veth peer name outside',
    `ip addr add ${own}/24 dev eth0`,
    'ip link set eth0 up',
    'ip link set outside up',
    'ip route add default via 10.9.0.2',
  ]) {
    await inside(command)
  }
  agents = new LocalAgents(enter())
  const pod = await agents.pod('alpha', undefined, agentPorts)
  from = await agents.client(pod)
})

afterAll(async () => {
  await agents[Symbol.asyncDispose]()
  holder.kill('SIGKILL')
})

const kinds = ['tcp', 'udp', 'http'] as const

async function endsAt(host: string): Promise<string[]> {
  const probes = kinds.map((kind, id) => peerProbe(id, kind, host, agentPorts[kind], 400))
  return (await askAll(from, probes)).map(({ end, detail = '' }) => `${end} ${detail}`.trim())
}

test('on all addresses of both families by default; facts are those of the namespace', async () => {
  for (const host of [own, '127.0.0.1', '::1'])
    expect(await endsAt(host)).toEqual(['answered', 'answered', 'answered'])
  const [seen] = await askAll(from, [peerProbe(1, 'tcp', own, agentPorts.tcp)])
  expect(seen?.identity?.saw).toBe(own)
  const [result] = await askAll(from, [{ id: 1, kind: 'facts', timeoutMs: 1_000 }])
  expect(result?.facts).toMatchObject({ addresses: [own], mtu: 1_500 })
})

test.each([
  ['unreachable', 'unreachable EHOSTUNREACH connect'],
  ['blackhole', 'unreachable EINVAL connect'],
  ['throw', 'timeout'],
  // A prohibit route says EACCES, as do a seccomp rule and a port below 1024: no evidence.
  ['prohibit', 'local-error EACCES connect'],
])('a route of type %s: %s', async (type, end) => {
  await inside(`ip route add ${type} 192.0.2.9`)
  // "throw" goes on with the default route, which leads nowhere.
  if (type === 'throw') await inside('ip route add default via 10.9.0.2 table 253')
  expect(new Set(await endsAt('192.0.2.9'))).toEqual(new Set([end]))
  await inside(`ip route del ${type} 192.0.2.9`)
})

test('a packet filter that rejects and one that drops', async () => {
  await inside('iptables -A OUTPUT -d 198.51.100.1 -j REJECT')
  await inside('iptables -A OUTPUT -d 198.51.100.2 -j DROP')
  expect(await endsAt('198.51.100.1')).toEqual([
    'refused ECONNREFUSED connect',
    'refused ECONNREFUSED recvmsg',
    'refused ECONNREFUSED connect',
  ])
  // The kernel tells the sender of a datagram, not that of a SYN.
  expect(await endsAt('198.51.100.2')).toEqual(['timeout', 'unreachable EPERM send', 'timeout'])
})

/** A DNS server inside that gives every question the same fate. */
async function dnsServer(fate: 'silent' | 'servfail' | 'nxdomain'): Promise<ChildProcess> {
  const answer = {
    silent: '',
    servfail: 'm[3]=0x82;s.send(m,r.port,r.address)',
    nxdomain: 'm[3]=0x83;s.send(m,r.port,r.address)',
  }[fate]
  const program = `const s=require('dgram').createSocket('udp4');s.on('message',(m,r)=>{m[2]|=0x80;${answer}});s.bind(53,'127.0.0.53',()=>console.log('up'))`
  return start([...enter(), process.execPath, '-e', program])
}

test('names: refused, SERVFAIL and silence end at resolve, NXDOMAIN does not exist; 100 hanging lookups do not outlive their batch', async () => {
  const resolvConf = join(agents.directory, 'resolv.conf')
  writeFileSync(resolvConf, 'nameserver 127.0.0.53\n')
  await inside(`mount --bind ${resolvConf} /etc/resolv.conf`)
  const names = (count: number): WireProbe[] =>
    Array.from({ length: count }, (_, id) => peerProbe(id, 'tcp', 'echo.example', agentPorts.tcp, 1_000))
  const ends = async (count: number): Promise<string[]> => [
    ...new Set((await askAll(from, names(count))).map(({ end, phase }) => `${end} at ${phase}`)),
  ]
  expect(await ends(1)).toEqual(['timeout at resolve'])
  for (const [fate, count, end] of [
    ['servfail', 1, 'timeout at resolve'],
    ['silent', 100, 'timeout at resolve'],
    ['nxdomain', 100, 'no-such-name at resolve'],
  ] as const) {
    const server = await dnsServer(fate)
    expect([fate, await ends(count)]).toEqual([fate, [end]])
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
})

test('with a silent DNS server, a hundred lookups of one name leave threads for another', async () => {
  const server = await dnsServer('silent')
  const asked = Array.from({ length: 101 }, (_, id) =>
    peerProbe(id, 'tcp', id < 100 ? 'many.example' : 'one.example', agentPorts.tcp, 1_000),
  )
  const results = await askAll(from, asked)
  server.kill('SIGKILL')
  await once(server, 'exit')
  expect(results.find(({ id }) => id === 100)).toMatchObject({ end: 'timeout', phase: 'resolve' })
})

test('with lo down the control paths still work, and the pod does not reach itself', async () => {
  await askAll(from, [peerProbe(7, 'datagram', own, agentPorts.udp)])
  await inside('ip link set lo down')
  expect(new Set(await endsAt('127.0.0.1'))).toEqual(new Set(['timeout']))
  const [receipt] = await askAll(from, [
    { id: 1, kind: 'receipts', nonces: ['oneway-datagram-7', 'oneway-never'], timeoutMs: 1_000 },
  ])
  expect(receipt?.received).toEqual(['oneway-datagram-7'])
  await inside('ip link set lo up')
})
