import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askAll, freePorts, LocalAgents, type LocalClient } from './local-agent.ts'
import type { WireProbe } from './protocol.ts'

/** DNS questions to a server that answers as its address says: 127.0.1.<one of these>. */
const behaviours = {
  right: 10,
  nxdomain: 11,
  truncated: 12,
  anotherId: 13,
  silent: 14,
  garbage: 15,
  servfail: 16,
  secondTime: 17,
  closesIdle: 18,
  closesAtOnce: 19,
} as const
type Behaviour = keyof typeof behaviours

let agents: LocalAgents
let from: LocalClient
const closing: (() => void)[] = []

/** The question with answer flags and two A records behind it, the second first. */
function answer(question: Buffer, behaviour: Behaviour): Buffer {
  const records = ['10.0.0.7', '10.0.0.5'].map((address) => {
    const data = address.split('.').map(Number)
    return Buffer.of(0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, ...data)
  })
  const flags = { nxdomain: 0x8183, truncated: 0x8380, servfail: 0x8182 } as Partial<
    Record<Behaviour, number>
  >
  const message = Buffer.concat([question, ...(flags[behaviour] === undefined ? records : [])])
  message.writeUInt16BE(flags[behaviour] ?? 0x8180, 2)
  message.writeUInt16BE(flags[behaviour] === undefined ? 2 : 0, 6)
  if (behaviour === 'anotherId') message.writeUInt16BE((message.readUInt16BE(0) + 1) & 0xffff, 0)
  return behaviour === 'garbage' ? Buffer.from('not a DNS message at all') : message
}

async function serve(behaviour: Behaviour, host: string, port: number): Promise<void> {
  const seen = new Map<number, number>()
  const udp = createSocket('udp4').bind(port, host)
  udp.on('message', (question, peer) => {
    const count = (seen.get(peer.port) ?? 0) + 1
    seen.set(peer.port, count)
    if (behaviour === 'silent' || (behaviour === 'secondTime' && count === 1)) return
    udp.send(answer(question, behaviour), peer.port, peer.address)
  })
  let connections = 0
  const tcp = createServer((socket) => {
    connections += 1
    socket.on('error', () => undefined)
    if (behaviour === 'closesAtOnce') return socket.end()
    if (behaviour === 'closesIdle' && connections === 1) return setTimeout(() => socket.end(), 1_600)
    socket.once('data', (bytes) => {
      if (behaviour === 'silent') return
      const message = answer(bytes.subarray(2), behaviour)
      // The length alone first: an answer may come in pieces.
      socket.write(Buffer.of(message.length >> 8, message.length & 255))
      setTimeout(() => socket.end(message), 20)
    })
  }).listen(port, host)
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')])
  closing.push(
    () => udp.close(),
    () => tcp.close(),
  )
}

beforeAll(async () => {
  agents = new LocalAgents()
  const pod = await agents.pod('alpha', '127.0.1.1', await freePorts('127.0.1.1'))
  const { udp: port } = await freePorts('127.0.1.10')
  await Promise.all(
    Object.entries(behaviours).map(([behaviour, last]) =>
      serve(behaviour as Behaviour, `127.0.1.${last}`, port),
    ),
  )
  from = await agents.client(pod, { AGENT_DNS_PORT: String(port) })
})

afterAll(async () => {
  for (const close of closing) close()
  await agents[Symbol.asyncDispose]()
})

async function resolve(behaviour: Behaviour, transport: 'udp' | 'tcp', timeoutMs = 3_000) {
  const server = `127.0.1.${behaviours[behaviour]}`
  const probe: WireProbe = {
    id: 1,
    kind: 'dns',
    server,
    transport,
    name: 'Echo.main.svc.cluster.local.',
    type: 'A',
    timeoutMs,
  }
  const [result] = await askAll(from, [probe])
  return result
}

test.each(['udp', 'tcp'] as const)('%s: A records come sorted', async (transport) => {
  const result = await resolve('right', transport)
  expect(result).toMatchObject({
    end: 'answered',
    rcode: 'NOERROR',
    answers: ['10.0.0.5', '10.0.0.7'],
    attempts: 1,
  })
})

test.each(['udp', 'tcp'] as const)(
  '%s: an answer with another code is an answer, without records',
  async (transport) => {
    expect(await resolve('nxdomain', transport)).toMatchObject({ end: 'answered', rcode: 'NXDOMAIN' })
    const servfail = await resolve('servfail', transport)
    expect(servfail).toMatchObject({ end: 'answered', rcode: 'SERVFAIL' })
    expect(servfail).not.toHaveProperty('answers')
  },
)

test('truncation is told', async () => {
  expect(await resolve('truncated', 'udp')).toMatchObject({
    end: 'answered',
    detail: expect.stringContaining('TC') as string,
  })
})

test('a lost datagram is sent again', async () => {
  expect(await resolve('secondTime', 'udp', 600)).toMatchObject({ end: 'answered', attempts: 2 })
})

test('a connection that the server closes unread after seconds is opened again, and counted', async () => {
  expect(await resolve('closesIdle', 'tcp')).toMatchObject({ end: 'answered', attempts: 2 })
})

test.each([
  ['closesAtOnce', 'tcp', 'bad-answer', /closed after 0 bytes/],
  ['anotherId', 'udp', 'bad-answer', /another id/],
  ['anotherId', 'tcp', 'bad-answer', /another id/],
  ['garbage', 'udp', 'bad-answer', /another id|malformed/],
  ['garbage', 'tcp', 'bad-answer', /another id|malformed/],
  ['silent', 'udp', 'timeout', /^$/],
  ['silent', 'tcp', 'timeout', /^$/],
] as const)('%s over %s: %s', async (behaviour, transport, end, detail) => {
  const result = await resolve(behaviour, transport, 300)
  expect(result).toMatchObject({ end, phase: 'answer' })
  expect(result?.detail ?? '').toMatch(detail)
})
