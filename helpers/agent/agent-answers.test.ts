import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askAll, freePorts, LocalAgents, peerProbe, type LocalClient, type LocalPod } from './local-agent.ts'
import type { WireProbe, WireResult } from './protocol.ts'

/** What comes back, from the program as it is bundled, in processes on this machine: one "pod" per loopback address. */

let agents: LocalAgents
let alpha: LocalPod
let beta: LocalPod
let fromAlpha: LocalClient
let fromBeta: LocalClient

beforeAll(async () => {
  agents = new LocalAgents()
  ;[alpha, beta] = await Promise.all([
    agents.pod('alpha', '127.0.0.2', await freePorts('127.0.0.2')),
    agents.pod('beta', '127.0.0.3', await freePorts('127.0.0.3')),
  ])
  ;[fromAlpha, fromBeta] = await Promise.all([agents.client(alpha), agents.client(beta)])
})

afterAll(() => agents[Symbol.asyncDispose]())

const ask = (probes: WireProbe[]): Promise<WireResult[]> => askAll(fromAlpha, probes)

async function askOne(probe: WireProbe): Promise<WireResult> {
  const [result] = await ask([probe])
  if (result === undefined) throw new Error('no row')
  return result
}

test.each(['tcp', 'udp', 'http'] as const)(
  '%s: the answer names the peer and the source that it saw',
  async (kind) => {
    const result = await askOne(peerProbe(1, kind, beta.host, beta.ports[kind]))
    expect(result).toMatchObject({
      id: 1,
      end: 'answered',
      identity: {
        nonce: `${kind}-1`,
        podUid: 'uid-beta',
        pod: 'local/beta',
        node: 'node-beta',
        saw: '127.0.0.1',
      },
    })
    expect(result.attempts).toBeGreaterThanOrEqual(1)
    expect(result.ms).toBeGreaterThan(0)
  },
)

test('a name is resolved by the pod, the address is told', async () => {
  const ports = await freePorts('127.0.0.1')
  const local = await agents.pod('local', '127.0.0.1', ports)
  const result = await askOne(peerProbe(1, 'tcp', 'localhost', local.ports.tcp))
  expect(result).toMatchObject({ end: 'answered', address: '127.0.0.1', identity: { podUid: 'uid-local' } })
})

test('one-way datagrams: the receiver tells which ones came', async () => {
  const sent = await ask([1, 2, 3].map((id) => peerProbe(id, 'datagram', beta.host, beta.ports.udp)))
  expect(sent.map(({ end }) => end)).toEqual(['sent', 'sent', 'sent'])
  const nonces = ['oneway-datagram-1', 'oneway-datagram-3', 'oneway-never']
  const [receipt] = await askAll(fromBeta, [{ id: 9, kind: 'receipts', nonces, timeoutMs: 2_000 }])
  expect(receipt).toMatchObject({ end: 'answered', received: ['oneway-datagram-1', 'oneway-datagram-3'] })
})

/** A server that writes down from which ports it is asked. */
async function udpServer(port = 0): Promise<{ port: number; seen: number[]; close: () => void }> {
  const seen: number[] = []
  const server = createSocket('udp4')
  server.on('message', (_message, { port: from, address }) => {
    seen.push(from)
    const identity = { nonce: 'n', podUid: 'u', pod: 'local/p', node: 'node', saw: address }
    server.send(JSON.stringify(identity), from, address)
  })
  server.bind(port, beta.host)
  await once(server, 'listening')
  return { port: server.address().port, seen, close: () => server.close() }
}

test('a source port that is named is kept from probe to probe', async () => {
  const server = await udpServer()
  const { port, seen } = server
  const about = { kind: 'udp', host: beta.host, port, nonce: 'n', timeoutMs: 5_000 } as const
  const probe = (id: number): WireProbe => ({ ...about, id, sourcePort: 62_007, toService: true })
  for (const id of [1, 2, 3]) expect(await askOne(probe(id))).toMatchObject({ end: 'answered' })
  server.close()
  expect(new Set(seen)).toEqual(new Set([62_007]))
})

test('a socket that is held outlives a refusal, and leads elsewhere when that is asked for', async () => {
  const first = await udpServer()
  const about = { kind: 'udp', host: beta.host, nonce: 'n', sourcePort: 63_507, held: true } as const
  const probe = (id: number, port: number): WireProbe => ({ ...about, id, port, timeoutMs: 5_000 })
  expect(await askOne(probe(1, first.port))).toMatchObject({ end: 'answered', attempts: 1 })
  // The port is taken for as long as the socket is open.
  const other = { ...probe(2, first.port), held: undefined } as unknown as WireProbe
  expect(await askOne(other)).toMatchObject({
    end: 'local-error',
    detail: expect.stringContaining('EADDRINUSE'),
  })
  first.close()
  expect(await askOne(probe(3, first.port))).toMatchObject({ end: 'refused' })
  const again = await udpServer(first.port)
  expect(await askOne(probe(4, first.port))).toMatchObject({ end: 'answered' })
  const second = await udpServer()
  expect(await askOne(probe(5, second.port))).toMatchObject({ end: 'answered' })
  again.close()
  second.close()
  expect([first, again, second].map(({ seen }) => seen)).toEqual([[63_507], [63_507], [63_507]])
})

test('a socket is held from its first answer on', async () => {
  const server = await udpServer()
  const { udp: nobody } = await freePorts('127.0.0.9')
  const about = { kind: 'udp', nonce: 'n', sourcePort: 63_508, timeoutMs: 5_000 } as const
  const held = { ...about, id: 1, host: '127.0.0.9', port: nobody, held: true } as const
  expect(await askOne(held)).toMatchObject({ end: 'refused' })
  // The port is free again.
  expect(await askOne({ ...about, id: 2, host: beta.host, port: server.port })).toMatchObject({
    end: 'answered',
  })
  server.close()
})

test('a closed port refuses, over TCP, HTTP and UDP', async () => {
  const { tcp } = await freePorts('127.0.0.9')
  const results = await ask([
    peerProbe(1, 'tcp', '127.0.0.9', tcp),
    peerProbe(2, 'http', '127.0.0.9', tcp),
    peerProbe(3, 'udp', '127.0.0.9', tcp),
  ])
  expect(results.map(({ end, phase }) => [end, phase])).toEqual([
    ['refused', 'connect'],
    ['refused', 'connect'],
    ['refused', 'answer'],
  ])
})

/** A TCP server that treats every connection alike. */
async function tcpServer(serve: (socket: Socket) => void): Promise<{ port: number; close: () => void }> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    serve(socket)
  }).listen(0, '127.0.0.5')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}

test.each<[string, (socket: Socket) => void, RegExp]>([
  ['closes at once', (socket) => socket.end(), /closed without an answer/],
  ['resets', (socket) => socket.once('data', () => socket.resetAndDestroy()), /ECONNRESET/],
  ['says something else', (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'), /no identity: "SSH-2.0/],
  ['answers with an old nonce', (socket) => socket.end('{"nonce":"old","podUid":"x"}\n'), /another nonce/],
  ['answers without end', (socket) => void socket.write('x'.repeat(100_000)), /no identity/],
  ['answers null', (socket) => socket.end('null\n'), /no identity/],
])('a peer that %s gives a bad answer, not a refusal', async (_name, serve, detail) => {
  const server = await tcpServer(serve)
  expect(await askOne(peerProbe(1, 'tcp', '127.0.0.5', server.port))).toMatchObject({
    end: 'bad-answer',
    phase: 'answer',
    detail: expect.stringMatching(detail) as string,
  })
  server.close()
})

test.each([
  ['another status', 'HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy', /HTTP 503: "busy"/],
  ['another text', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', /no identity: "hello"/],
  ['no HTTP', 'go away\r\n\r\n', /HPE_/],
])('an HTTP peer with %s gives a bad answer', async (_name, response, detail) => {
  const server = await tcpServer((socket) => void socket.once('data', () => socket.end(response)))
  const result = await askOne(peerProbe(1, 'http', '127.0.0.5', server.port))
  expect(result).toMatchObject({ end: 'bad-answer', detail: expect.stringMatching(detail) as string })
  server.close()
})

test('a UDP answer with another nonce is not taken for one; without a better one it is told', async () => {
  const echo = createSocket('udp4').bind(0, '127.0.0.5')
  await once(echo, 'listening')
  let count = 0
  echo.on('message', (message, { port, address }) => {
    count += 1
    const nonce = count === 1 ? 'late' : message.toString()
    echo.send(JSON.stringify({ nonce, podUid: 'x', pod: 'p', node: 'n', saw: 's' }), port, address)
  })
  const { port } = echo.address()
  expect(await askOne(peerProbe(1, 'udp', '127.0.0.5', port, 600))).toMatchObject({
    end: 'answered',
    attempts: 2,
  })
  count = -10
  echo
    .removeAllListeners('message')
    .on('message', (_message, peerInfo) =>
      echo.send('{"nonce":"late","podUid":"x"}', peerInfo.port, peerInfo.address),
    )
  expect(await askOne(peerProbe(2, 'udp', '127.0.0.5', port, 150))).toMatchObject({
    end: 'bad-answer',
    detail: 'an identity with another nonce',
  })
  echo.close()
})

test('the tools container says the nonce back', async () => {
  const http = await tcpServer((socket) =>
    socket.once('data', (request: Buffer) => {
      const msg = /msg=([\w-]+)/.exec(request.toString())?.[1] ?? ''
      socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${msg.length}\r\n\r\n${msg}`)
    }),
  )
  const udp = createSocket('udp4').bind(0, '127.0.0.5')
  await once(udp, 'listening')
  udp.on('message', (message, { port, address }) =>
    udp.send(message.toString().replace(/^echo /, ''), port, address),
  )
  const results = await ask([
    peerProbe(1, 'tools-http', '127.0.0.5', http.port),
    peerProbe(2, 'tools-udp', '127.0.0.5', udp.address().port),
  ])
  expect(results.map(({ end }) => end)).toEqual(['answered', 'answered'])
  http.close()
  udp.close()
})

test('bind: free, in use, and not ours to bind', async () => {
  const { tcp } = await freePorts('127.0.0.3')
  const bind = (id: number, transport: 'tcp' | 'udp', host: string, port: number): WireProbe => ({
    id,
    kind: 'bind',
    transport,
    host,
    port,
    timeoutMs: 2_000,
  })
  const results = await ask([
    bind(1, 'tcp', beta.host, beta.ports.tcp),
    bind(2, 'udp', beta.host, beta.ports.udp),
    bind(3, 'tcp', beta.host, tcp),
    bind(4, 'udp', '203.0.113.1', tcp),
  ])
  expect(results.map(({ end }) => end)).toEqual(['in-use', 'in-use', 'answered', 'local-error'])
  expect(results[3]?.detail).toMatch(/EADDRNOTAVAIL/)
})

test('facts: who it is, its namespace, its resolver, and what the tools container saw', async () => {
  writeFileSync(join(alpha.directory, 'tools.netns'), 'net:[4026532999]\n')
  writeFileSync(
    join(alpha.directory, 'tools.addresses'),
    [
      '1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever',
      '2: eth0    inet 10.244.1.7/24 brd 10.244.1.255 scope global eth0\\       valid_lft forever',
      '2: eth0    inet6 fd00::7/64 scope global \\       valid_lft forever',
      '2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever',
    ].join('\n'),
  )
  const { facts } = await askOne({ id: 1, kind: 'facts', timeoutMs: 2_000 })
  expect(facts).toMatchObject({
    podUid: 'uid-alpha',
    pod: 'local/alpha',
    node: 'node-alpha',
    netns: expect.stringMatching(/^net:\[\d+\]$/) as string,
    resolvConf: readFileSync('/etc/resolv.conf', 'utf8'),
    tools: { netns: 'net:[4026532999]', addresses: ['10.244.1.7', 'fd00::7'] },
  })
  expect(facts?.addresses).not.toContain('127.0.0.1')
})

test('facts without the tools container', async () => {
  const [result] = await askAll(fromBeta, [{ id: 1, kind: 'facts', timeoutMs: 2_000 }])
  expect(result?.facts).not.toHaveProperty('tools')
})

test('a probe of a kind that this agent does not know is a local error', async () => {
  const result = await askOne({ id: 1, kind: 'icmp', timeoutMs: 100 } as unknown as WireProbe)
  expect(result).toMatchObject({ end: 'local-error', detail: 'this agent knows no such probe' })
})
