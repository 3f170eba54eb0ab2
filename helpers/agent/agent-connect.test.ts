import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askAll, freePorts, LocalAgents, type LocalClient } from './local-agent.ts'
import type { WireProbe, WireResult } from './protocol.ts'

/** Peers that are not ours: what answers is enough, and what does not is told apart. */

type Protocol = Extract<WireProbe, { kind: 'connect' }>['protocol']

let agents: LocalAgents
let client: LocalClient

beforeAll(async () => {
  agents = new LocalAgents()
  client = await agents.client(await agents.pod('alpha', '127.0.0.2', await freePorts('127.0.0.2')))
})

afterAll(() => agents[Symbol.asyncDispose]())

async function connectTo(protocol: Protocol, host: string, port: number): Promise<WireResult> {
  const [result] = await askAll(client, [{ id: 1, kind: 'connect', protocol, host, port, timeoutMs: 1_000 }])
  if (result === undefined) throw new Error('no row')
  return result
}

/** Listens on an address of this machine until the process ends; returns the port. */
async function portOf(server: Server, host: string): Promise<number> {
  await once(server.listen(0, host).unref(), 'listening')
  return (server.address() as AddressInfo).port
}

test('a server that says nothing at all is reached over TCP', async () => {
  const port = await portOf(createServer(), '127.0.0.5')
  expect(await connectTo('tcp', '127.0.0.5', port)).toMatchObject({ end: 'answered', detail: 'connected' })
})

test.each([200, 301, 404, 503])(
  'HTTP %i is an answer, and the server is told the name that was asked for',
  async (status) => {
    let asked: string | undefined
    const server = createHttpServer((request, response) => {
      asked = request.headers.host
      response.writeHead(status).end('x'.repeat(100_000))
    })
    const port = await portOf(server, '127.0.0.1')
    const result = await connectTo('http', 'localhost', port)
    expect(result).toMatchObject({ end: 'answered', detail: `HTTP ${status}`, address: '127.0.0.1' })
    expect(asked).toBe(`localhost:${port}`)
  },
)

test('any datagram that comes back is an answer', async () => {
  const socket = createSocket('udp4', (_message, peer) =>
    socket.send('\0\0\0', peer.port, peer.address),
  ).unref()
  await new Promise<void>((ready) => socket.bind(0, '127.0.0.6', ready))
  expect(await connectTo('udp', '127.0.0.6', socket.address().port)).toMatchObject({
    end: 'answered',
    detail: 'a datagram of 3 bytes',
  })
})

test('a closed port refuses, over each of them', async () => {
  const { tcp } = await freePorts('127.0.0.7')
  for (const protocol of ['tcp', 'http', 'udp'] as const)
    expect(await connectTo(protocol, '127.0.0.7', tcp)).toMatchObject({ end: 'refused' })
})

test('silence says whether the connection was made', async () => {
  const port = await portOf(createServer(), '127.0.0.8')
  expect(await connectTo('http', '127.0.0.8', port)).toMatchObject({ end: 'timeout', phase: 'answer' })
  const full = await agents.stoppedListener('127.0.0.8', 1)
  const filling = [1, 2].map(() => connect(full, '127.0.0.8').on('error', () => undefined))
  await Promise.all(filling.map((socket) => once(socket, 'connect')))
  for (const protocol of ['tcp', 'http'] as const)
    expect(await connectTo(protocol, '127.0.0.8', full)).toMatchObject({ end: 'timeout', phase: 'connect' })
  for (const socket of filling) socket.destroy()
})

test('what answers in another protocol has answered, and not in this one', async () => {
  const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
  const port = await portOf(server, '127.0.0.9')
  expect(await connectTo('http', '127.0.0.9', port)).toMatchObject({ end: 'bad-answer' })
})
