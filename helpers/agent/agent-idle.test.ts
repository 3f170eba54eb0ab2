import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askAll, freePorts, LocalAgents, peerProbe, type LocalClient, type LocalPod } from './local-agent.ts'
import type { WireProbe, WireResult } from './protocol.ts'

/** Connections that are silent for a while, and look-ups, from the program as it is bundled. */

let agents: LocalAgents
let alpha: LocalPod
let beta: LocalPod
let from: LocalClient

beforeAll(async () => {
  agents = new LocalAgents()
  ;[alpha, beta] = await Promise.all([
    agents.pod('alpha', '127.0.0.2', await freePorts('127.0.0.2')),
    agents.pod('beta', '127.0.0.3', await freePorts('127.0.0.3')),
  ])
  from = await agents.client(alpha)
})

afterAll(() => agents[Symbol.asyncDispose]())

const silentMs = 300

const silentProbe = (id: number, port: number, timeoutMs = 5_000): WireProbe =>
  ({ ...peerProbe(id, 'tcp', beta.host, port, timeoutMs), silentMs }) as WireProbe

async function askOne(probe: WireProbe): Promise<WireResult> {
  const [result] = await askAll(from, [probe])
  if (result === undefined) throw new Error('no row')
  return result
}

/** A server that answers its first line as an agent does, and then does what it is told. */
async function oddServer(
  then: (socket: Socket, identity: (nonce: string) => string) => void,
): Promise<number> {
  const identity = (nonce: string): string =>
    `${JSON.stringify({ nonce, podUid: 'uid-odd', pod: 'local/odd', node: 'odd', saw: '' })}\n`
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (chunk: Buffer) => {
      socket.write(identity(chunk.toString().split(' ')[0] ?? ''))
      then(socket, identity)
    })
  }).listen(0, beta.host)
  server.unref()
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('a connection is used again after its silence; the time is that of the second answer', async () => {
  const startedMs = performance.now()
  const result = await askOne(silentProbe(1, beta.ports.tcp))
  expect(performance.now() - startedMs).toBeGreaterThan(silentMs)
  expect(result).toMatchObject({
    end: 'answered',
    attempts: 1,
    identity: { nonce: 'tcp-1-again', podUid: 'uid-beta' },
  })
  expect(result.ms).toBeLessThan(silentMs)
})

test('silence after the silence is a time-out that says who answered before', async () => {
  const port = await oddServer((socket) => socket.on('data', () => undefined))
  const result = await askOne(silentProbe(2, port, 1_000))
  expect(result).toMatchObject({ end: 'timeout' })
  expect(result.detail).toBe(
    `answered by local/odd at first, by nobody after ${silentMs} ms of silence on the connection`,
  )
})

test('another server on the same connection is no answer', async () => {
  const port = await oddServer((socket, identity) =>
    socket.on('data', (chunk: Buffer) =>
      socket.end(identity(chunk.toString().trim()).replace('uid-odd', 'uid-other')),
    ),
  )
  expect(await askOne(silentProbe(3, port))).toMatchObject({ end: 'bad-answer' })
})

test('a connection that is closed while it is silent is no answer', async () => {
  const port = await oddServer((socket) => socket.end())
  const result = await askOne(silentProbe(4, port))
  expect(result).toMatchObject({
    end: 'bad-answer',
    detail: 'the connection was closed after the first answer',
  })
})

test('a reset is told', async () => {
  const port = await oddServer((socket) => setTimeout(() => socket.resetAndDestroy(), 50))
  const result = await askOne(silentProbe(5, port))
  expect(result.end).toBe('bad-answer')
  expect(result.detail).toContain('ECONNRESET')
})

test('a name is looked up as programs do; one that nobody has is denied', async () => {
  const lookup = (id: number, host: string): WireProbe => ({ id, kind: 'lookup', host, timeoutMs: 5_000 })
  expect(await askOne(lookup(6, 'localhost'))).toMatchObject({ end: 'answered', answers: ['127.0.0.1'] })
})

test('a tools container that cannot be asked says nothing of the network', async () => {
  const { tcp: closed } = await freePorts('127.0.0.1')
  const alone = await agents.client(alpha, { AGENT_TOOLS_PORT: String(closed) })
  const [result] = await askAll(alone, [{ id: 7, kind: 'ping', host: beta.host, timeoutMs: 1_000 }])
  expect(result?.end).toBe('local-error')
  expect(result?.detail).toContain('ECONNREFUSED')
})
