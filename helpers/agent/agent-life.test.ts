import type { ChildProcess } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sleep } from '../await.ts'
import { askAll, freePorts, LocalAgents, peerProbe, type LocalClient, type LocalPod } from './local-agent.ts'
import type { WireProbe, WireResult } from './protocol.ts'

/** How the two processes of the agent live and end. */

let agents: LocalAgents
let alpha: LocalPod
let beta: LocalPod
let fromAlpha: LocalClient

beforeAll(async () => {
  agents = new LocalAgents()
  ;[alpha, beta] = await Promise.all([
    agents.pod('alpha', '127.0.0.22', await freePorts('127.0.0.22')),
    agents.pod('beta', '127.0.0.23', await freePorts('127.0.0.23')),
  ])
  fromAlpha = await agents.client(alpha)
})

afterAll(() => agents[Symbol.asyncDispose]())

const ask = (probes: WireProbe[]): Promise<WireResult[]> => askAll(fromAlpha, probes)

test('the server survives garbage, half-open connections and connections that never speak', async () => {
  const { tcp, http, udp } = beta.ports
  const idle = Array.from({ length: 300 }, () => connect(tcp, beta.host).on('error', () => undefined))
  const garbage = [tcp, http].map((port) => connect(port, beta.host).on('error', () => undefined))
  for (const socket of garbage) socket.write(Buffer.from(Array.from({ length: 5_000 }, (_, i) => i % 256)))
  const reset = connect(http, beta.host, () => reset.resetAndDestroy())
  const noise = createSocket('udp4')
  for (const payload of ['', ' ', 'x y', 'a'.repeat(5_000)]) noise.send(payload, udp, beta.host)
  const results = await ask([
    peerProbe(1, 'tcp', beta.host, tcp),
    peerProbe(2, 'udp', beta.host, udp),
    peerProbe(3, 'http', beta.host, http),
  ])
  expect(results.map(({ end }) => end)).toEqual(['answered', 'answered', 'answered'])
  for (const socket of [...idle, ...garbage]) socket.destroy()
  noise.close()
})

test('readyz answers, other paths do not', async () => {
  const url = `http://${beta.host}:${beta.ports.http}`
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
  expect((await fetch(`${url}/identity?nonce=a%20b`)).status).toBe(404)
  expect((await fetch(`${url}/`)).status).toBe(404)
})

test('SIGTERM ends the server at once; it starts again over the socket file that was left', async () => {
  const pod = await agents.pod('gamma', '127.0.0.6', await freePorts('127.0.0.6'))
  const exit = once(pod.server, 'exit')
  const started = performance.now()
  pod.server.kill('SIGTERM')
  expect(await exit).toEqual([0, null])
  expect(performance.now() - started).toBeLessThan(1_000)
  await agents.restart(pod)
  const gamma = await agents.client(pod)
  const receipt: WireProbe = { id: 2, kind: 'receipts', nonces: ['oneway-1'], timeoutMs: 2_000 }
  const results = await askAll(gamma, [peerProbe(1, 'http', pod.host, pod.ports.http), receipt])
  expect(results).toMatchObject([{ end: 'answered' }, { end: 'answered', received: [] }])
})

test('a server that lingers serves on after SIGTERM until nobody controls its agent', async () => {
  const pod = await agents.pod('lasting', '127.0.0.7', await freePorts('127.0.0.7'), 60_000)
  const { client } = await agents.client(pod)
  const exit = once(pod.server, 'exit')
  pod.server.kill('SIGTERM')
  await sleep(300)
  const fromBeta = await agents.client(beta)
  expect(await askAll(fromBeta, [peerProbe(1, 'tcp', pod.host, pod.ports.tcp)])).toMatchObject([
    { end: 'answered', identity: { podUid: 'uid-lasting' } },
  ])
  client.close()
  expect(await exit).toEqual([0, null])
})

test('and no longer than it may', async () => {
  const pod = await agents.pod('late', '127.0.0.8', await freePorts('127.0.0.8'), 200)
  await agents.client(pod)
  const exit = once(pod.server, 'exit')
  pod.server.kill('SIGTERM')
  expect(await exit).toEqual([0, null])
})

test('the prober ends when its stdin does, and when it is told to; a broken command stream is an error', async () => {
  const [eof, told, broken] = [
    await agents.client(alpha),
    await agents.client(alpha),
    await agents.client(alpha),
  ]
  const exits = Promise.all([eof, told, broken].map(({ child }) => once(child, 'exit')))
  eof.child.stdin?.end()
  told.client.close()
  broken.child.stdin?.write('00000000 {"type":"plan"}\n')
  expect((await exits).map(([code]) => code as number)).toEqual([0, 0, 1])
  expect(broken.client.fault).toMatch(/gave up: the command stream is broken: .* wrong checksum/)
})

test('a prober that is killed leaves rows missing with the reason', async () => {
  const silent = await agents.stoppedListener('127.0.0.24', 500)
  const { child, client } = await agents.client(alpha)
  const batch = client.runPlan([
    peerProbe(1, 'tcp', beta.host, beta.ports.tcp),
    peerProbe(2, 'tcp', '127.0.0.24', silent),
  ])
  await sleep(300)
  child.kill('SIGKILL')
  const { results, complete, fault } = await batch
  expect([...results.keys()]).toEqual([1])
  expect({ complete, fault }).toEqual({
    complete: false,
    fault: expect.stringMatching(/agent ended/) as string,
  })
})

test('from process start to hello, and memory', async () => {
  const residentMb = (child: ChildProcess): number =>
    Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024)
  const started = performance.now()
  const { child, client } = await agents.client(alpha)
  const helloMs = Math.round(performance.now() - started)
  console.log(
    `hello after ${helloMs} ms; prober ${residentMb(child)} MB, server ${residentMb(alpha.server)} MB resident`,
  )
  expect(helloMs).toBeLessThan(10_000)
  client.close()
})
