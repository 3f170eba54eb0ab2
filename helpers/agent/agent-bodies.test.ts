import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { Transform } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askAll, freePorts, LocalAgents, type LocalClient, type LocalPod } from './local-agent.ts'
import type { WireResult } from './protocol.ts'

/** Long bodies, to the agent's own server and through something on the way that harms them. */

const bytes = 1024 * 1024
let agents: LocalAgents
let beta: LocalPod
let fromAlpha: LocalClient

beforeAll(async () => {
  agents = new LocalAgents()
  const [alpha, other] = await Promise.all([
    agents.pod('alpha', '127.0.0.22', await freePorts('127.0.0.22')),
    agents.pod('beta', '127.0.0.23', await freePorts('127.0.0.23')),
  ])
  beta = other
  fromAlpha = await agents.client(alpha)
})

afterAll(() => agents[Symbol.asyncDispose]())

async function ask(host: string, port: number, timeoutMs = 5_000): Promise<WireResult> {
  const [result] = await askAll(fromAlpha, [
    { id: 1, kind: 'bulk', host, port, nonce: 'bulk-1', bytes, timeoutMs },
  ])
  if (result === undefined) throw new Error('no row')
  return result
}

/** A path to beta that treats what goes up and what comes down as it is told. */
async function pathTo(up: () => Transform, down: () => Transform): Promise<{ port: number; close(): void }> {
  const server = createServer((client) => {
    const upstream = connect(beta.ports.tcp, beta.host)
    for (const socket of [client, upstream]) socket.on('error', () => undefined)
    client.pipe(up()).pipe(upstream)
    upstream.pipe(down()).pipe(client)
  }).listen(0, '127.0.0.24')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, close: () => server.close() }
}

const whole = (): Transform =>
  new Transform({ transform: (chunk: Buffer, _encoding, done) => done(null, chunk) })

/** Flips one bit beyond the first line. */
const damaging = (): Transform => {
  let passed = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      passed += chunk.length
      const last = chunk.length - 1
      if (passed > bytes / 2 && passed - chunk.length <= bytes / 2)
        chunk.writeUInt8(chunk.readUInt8(last) ^ 1, last)
      done(null, chunk)
    },
  })
}

/** Lets so many bytes through, and no more. */
const stalling = (limit: number): Transform => {
  let passed = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const rest = Math.max(0, limit - passed)
      passed += chunk.length
      done(null, chunk.subarray(0, rest))
    },
    // Nor does the end of the connection come through.
    flush: () => undefined,
  })
}

test('1 MiB there and back: the answer names the peer', async () => {
  expect(await ask(beta.host, beta.ports.tcp)).toMatchObject({
    end: 'answered',
    attempts: 1,
    identity: { nonce: 'bulk-1', podUid: 'uid-beta' },
  })
})

test('one bit changed on the way up: the server does not say that it got what was sent', async () => {
  const path = await pathTo(damaging, whole)
  const result = await ask('127.0.0.24', path.port)
  expect(result).toMatchObject({
    end: 'bad-answer',
    detail: expect.stringContaining('other bytes came') as string,
  })
  path.close()
})

test('one bit changed on the way down', async () => {
  const path = await pathTo(whole, damaging)
  const result = await ask('127.0.0.24', path.port)
  expect(result).toMatchObject({ end: 'bad-answer', detail: 'other bytes came back than the server sent' })
  path.close()
})

test.each([
  ['up', () => stalling(1_000), whole, /did not say that all 1048576 bytes came: small packets pass/],
  ['down', whole, () => stalling(1_000), /all 1048576 bytes arrived, of as many only \d{3} came back/],
] as const)('a path that stalls on the way %s: it says how far it came', async (_way, up, down, detail) => {
  const path = await pathTo(up, down)
  const result = await ask('127.0.0.24', path.port, 600)
  expect(result).toMatchObject({
    end: 'timeout',
    phase: 'answer',
    detail: expect.stringMatching(detail) as string,
  })
  path.close()
})

test('a length that nobody asks for is dropped', async () => {
  for (const length of ['0', '-1', 'x', '1e99']) {
    const socket = connect(beta.ports.tcp, beta.host)
    socket.on('error', () => undefined)
    socket.write(`nonce ${length}\n`)
    await once(socket, 'close')
    expect(socket.bytesRead).toBe(0)
  }
})
