import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { sleep } from '../await.ts'
import { budgets } from '../budgets.ts'
import { askAll, freePorts, LocalAgents, peerProbe, type LocalClient, type LocalPod } from './local-agent.ts'
import type { WireProbe, WireResult } from './protocol.ts'

/** What does not come back, and many probes at once. */

let agents: LocalAgents
let alpha: LocalPod
let beta: LocalPod
let fromAlpha: LocalClient

beforeAll(async () => {
  agents = new LocalAgents()
  ;[alpha, beta] = await Promise.all([
    agents.pod('alpha', '127.0.0.12', await freePorts('127.0.0.12')),
    agents.pod('beta', '127.0.0.13', await freePorts('127.0.0.13')),
  ])
  fromAlpha = await agents.client(alpha)
})

afterAll(() => agents[Symbol.asyncDispose]())

const ask = (probes: WireProbe[]): Promise<WireResult[]> => askAll(fromAlpha, probes)

test('no answer: each probe ends with its own deadline and says how far it came', async () => {
  const [accepting, full] = [
    await agents.stoppedListener('127.0.0.14', 500),
    await agents.stoppedListener('127.0.0.14', 1),
  ]
  const filling = [1, 2].map(() => connect(full, '127.0.0.14').on('error', () => undefined))
  await Promise.all(filling.map((socket) => once(socket, 'connect')))
  const silent = createSocket('udp4').bind(0, '127.0.0.14')
  await once(silent, 'listening')
  const results = await ask([
    peerProbe(1, 'tcp', '127.0.0.14', accepting, 300),
    peerProbe(2, 'http', '127.0.0.14', accepting, 400),
    peerProbe(3, 'tcp', '127.0.0.14', full, 500),
    peerProbe(4, 'udp', '127.0.0.14', silent.address().port, 600),
  ])
  expect(results.map(({ end, phase, attempts }) => [end, phase, attempts])).toEqual([
    ['timeout', 'answer', 1],
    ['timeout', 'answer', 1],
    ['timeout', 'connect', 1],
    // Sent again at 1/3 and 2/3.
    ['timeout', 'answer', 3],
  ])
  silent.close()
  for (const socket of filling) socket.destroy()
})

test.each(['tcp', 'udp', 'http'] as const)(
  '2,000 %s probes at once: one server answers all',
  async (kind) => {
    const started = performance.now()
    const results = await ask(
      Array.from({ length: 2_000 }, (_, id) => peerProbe(id, kind, beta.host, beta.ports[kind], 10_000)),
    )
    console.log(`2,000 ${kind} probes, all answered: ${Math.round(performance.now() - started)} ms`)
    expect(results.filter(({ end }) => end !== 'answered')).toEqual([])
  },
)

test.each([486, 2_000])(
  '%i TCP probes, half unanswered, take little more than the time limit',
  async (count) => {
    const silent = await agents.stoppedListener('127.0.0.14', 4_096)
    const timeoutMs = budgets.probeMs.ms
    const started = performance.now()
    const results = await ask(
      Array.from({ length: count }, (_, id) =>
        id % 2 === 0
          ? peerProbe(id, 'tcp', beta.host, beta.ports.tcp, timeoutMs)
          : peerProbe(id, 'tcp', '127.0.0.14', silent, timeoutMs),
      ),
    )
    const overMs = Math.round(performance.now() - started - timeoutMs)
    // The bars (100 and 150 ms) are the benchmark's business: a machine under load must not turn a test red.
    console.log(`${count} TCP probes, half unanswered: time limit + ${overMs} ms`)
    expect(results.filter(({ end, id }) => end !== (id % 2 === 0 ? 'answered' : 'timeout'))).toEqual([])
  },
)

test('probes over the cap wait, and say so', async () => {
  const silent = await agents.stoppedListener('127.0.0.14', 500)
  const capped = await agents.client(alpha, { AGENT_SOCKETS: '5' })
  expect(capped.client.hello.sockets).toBe(5)
  const results = await askAll(
    capped,
    Array.from({ length: 12 }, (_, id) => peerProbe(id, 'tcp', '127.0.0.14', silent, 400)),
  )
  expect(results.map(({ end }) => end)).toEqual(Array(12).fill('timeout'))
  expect(results.filter(({ detail }) => detail === undefined)).toHaveLength(5)
  expect(results[11]?.detail).toMatch(/^waited \d+ ms for one of 5 sockets$/)
  capped.client.close()
})

test.each([
  // Given back the second that it lost, it gets the answer and knows what is silence.
  [1_000, 800, 'answered', 'timeout'],
  // On a busy machine it is stopped late: what it had before that must be less than half of its time limit.
  [7_000, 2_000, 'answered or starved', 'starved'],
])(
  'a prober without processor time for %i of %i ms does not call the network silent',
  async (ms, timeoutMs, answering, silence) => {
    const silent = await agents.stoppedListener('127.0.0.14', 500)
    const stalled = await agents.client(alpha)
    const batch = askAll(stalled, [
      peerProbe(1, 'tcp', '127.0.0.14', silent, timeoutMs),
      peerProbe(2, 'tcp', beta.host, beta.ports.tcp, timeoutMs),
    ])
    // A prober that is stopped before it has begun has lost nothing.
    await connectionTo('127.0.0.14', silent)
    await sleep(ms === 1_000 ? 200 : 0)
    stalled.child.kill('SIGSTOP')
    await sleep(ms)
    stalled.child.kill('SIGCONT')
    const [unanswered, answered] = await batch
    expect(unanswered?.end).toBe(silence)
    expect(answering).toContain(answered?.end)
    stalled.client.close()
  },
)

/** Waits until this machine has a connection to that address, by what its kernel lists. */
async function connectionTo(host: string, port: number): Promise<void> {
  const hex = (value: number, digits: number): string =>
    value.toString(16).toUpperCase().padStart(digits, '0')
  const address = host.split('.').map((part) => hex(Number(part), 2))
  const peer = `${address.toReversed().join('')}:${hex(port, 4)}`
  await vi.waitFor(
    async () => {
      const rows = (await readFile('/proc/net/tcp', 'utf8')).split('\n')
      // Of "sl local_address rem_address …"; a number of four digits has no blank before it.
      const peers = rows.map((row) => row.trim().split(/\s+/)[2])
      expect(peers).toContain(peer)
    },
    { timeout: 10_000, interval: 5 },
  )
}
