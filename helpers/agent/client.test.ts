import { expect, test } from 'vitest'
import { AgentClient, type AgentTransport } from './client.ts'
import { encodeLine } from './frames.ts'
import { protocolVersion, type WireProbe } from './protocol.ts'
import { replay } from './replay-transport.ts'

/** A stream that says what the test says, rightly numbered and summed. */
function scripted(...parts: object[][]): AgentTransport {
  let seq = 0
  return replay(
    parts.map((frames) => Buffer.from(frames.map((frame) => encodeLine({ seq: seq++, ...frame })).join(''))),
    'silence',
  )
}

const hello = { type: 'hello', podUid: 'u', pod: 'ns/p', node: 'n', version: protocolVersion, sockets: 100 }
const waited = { fromMs: 0, toMs: 0 }
const row = (id: number, end = 'answered') => ({ id, end, attempts: 1, ms: 1 })
const asked: WireProbe[] = [1, 2].map((id) => ({ id, kind: 'facts', timeoutMs: 10 }))

test.each([
  [
    'a row that was not asked',
    [{ type: 'results', batch: 1, results: [row(1), row(9)] }],
    /probe 9, which was not asked/,
  ],
  ['a row twice', [{ type: 'results', batch: 1, results: [row(1), row(1)] }], /two results for probe 1/],
  [
    'an end of no known kind',
    [{ type: 'results', batch: 1, results: [row(1), row(2, 'fine')] }],
    /ends in "fine"/,
  ],
  [
    'done with rows missing',
    [
      { type: 'results', batch: 1, results: [row(1)] },
      { type: 'done', batch: 1, count: 2, waited },
    ],
    /2 were asked, 1 came/,
  ],
  [
    'done with another count',
    [
      { type: 'results', batch: 1, results: [row(1), row(2)] },
      { type: 'done', batch: 1, count: 3, waited },
    ],
    /done with 3 results/,
  ],
  [
    'a batch that is not running',
    [
      { type: 'results', batch: 1, results: [row(1)] },
      { type: 'results', batch: 7, results: [] },
    ],
    /batch 7, which is not running/,
  ],
  [
    'an error of the agent',
    [
      { type: 'results', batch: 1, results: [row(1)] },
      { type: 'error', message: 'no memory' },
    ],
    /gave up: no memory/,
  ],
  [
    'a frame of no known type',
    [{ type: 'results', batch: 1, results: [row(1)] }, { type: 'news' }],
    /unknown type/,
  ],
  ['silence', [{ type: 'results', batch: 1, results: [row(1)] }], /silent .* agentSilenceMs/],
])('%s breaks the stream and keeps what came before', async (_name, frames, fault) => {
  const client = await AgentClient.open(scripted([hello], frames), { silenceMs: 50 })
  const batch = await client.runPlan(asked)
  expect(batch.complete).toBe(false)
  expect(batch.fault).toMatch(fault)
  expect(batch.results.get(1) ?? row(1)).toEqual(row(1))
  expect(await client.runPlan(asked)).toEqual({ results: new Map(), complete: false, fault: batch.fault })
  expect(client.fault).toBe(batch.fault)
})

test('heartbeats alone do not keep a batch waiting for ever', async () => {
  const client = await AgentClient.open(scripted([hello]), { slackMs: 40, silenceMs: 5_000 })
  expect((await client.runPlan(asked)).fault).toMatch(/not done within 50 ms \(budget batchSlackMs\)/)
})

test('the deadline allows for as many rounds as the agent has sockets for', async () => {
  const client = await AgentClient.open(scripted([{ ...hello, sockets: 1 }]), {
    slackMs: 40,
    silenceMs: 5_000,
  })
  expect((await client.runPlan(asked)).fault).toMatch(/not done within 60 ms/)
})

test.each([
  ['no hello at all', scripted([]), /no hello .* 50 ms/],
  ['another version', scripted([{ ...hello, version: 99 }]), /version 99 of the protocol/],
  ['something else first', scripted([{ type: 'beat' }]), /began with beat/],
])('%s is an error', async (_name, transport, message) => {
  await expect(AgentClient.open(transport, { helloMs: 50 })).rejects.toThrow(message)
})

test('batches go on side by side; an empty one asks the agent too', async () => {
  const rows = (batch: number, ...results: object[]) => ({ type: 'results', batch, results })
  const done = (batch: number, count: number) => ({ type: 'done', batch, count, waited })
  const client = await AgentClient.open(
    scripted(
      [hello],
      [rows(1, row(1))],
      [done(2, 0)],
      [rows(3, row(2)), rows(1, row(2)), rows(3, row(1)), done(3, 2), done(1, 2)],
    ),
  )
  const ended: number[] = []
  const plans = [asked, [], asked].map(async (probes, at) => {
    const batch = await client.runPlan(probes)
    ended.push(at + 1)
    return batch
  })
  expect((await Promise.all(plans)).map(({ complete, results }) => [complete, results.size])).toEqual([
    [true, 2],
    [true, 0],
    [true, 2],
  ])
  expect(ended).toEqual([2, 3, 1])
  client.close()
  expect((await client.runPlan([])).fault).toMatch(/runner closed/)
})

test('a stream that breaks ends every batch that goes on', async () => {
  const client = await AgentClient.open(
    scripted([hello], [{ type: 'results', batch: 1, results: [row(1)] }], [{ type: 'news' }]),
  )
  const batches = await Promise.all([client.runPlan(asked), client.runPlan(asked)])
  expect(batches.map(({ complete, results }) => [complete, results.size])).toEqual([
    [false, 1],
    [false, 0],
  ])
  expect(new Set(batches.map(({ fault }) => fault)).size).toBe(1)
})

test('two probes with one id are a bug of the caller', async () => {
  const client = await AgentClient.open(scripted([hello]))
  expect(() => client.runPlan([...asked, ...asked])).toThrow(/same id/)
  client.close()
})
