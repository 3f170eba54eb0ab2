import * as fc from 'fast-check'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { beforeAll, expect, test } from 'vitest'
import { AgentClient, type AgentLimits, type BatchResult } from './client.ts'
import { freePorts, LocalAgents } from './local-agent.ts'
import { processTransport } from './process-transport.ts'
import type { WireProbe, WireResult } from './protocol.ts'
import { replay } from './replay-transport.ts'

/** What a true agent sent, as lines: its hello, a first batch, and the batch that is damaged. */
interface Recording {
  hello: Buffer[]
  first: Buffer[]
  second: Buffer[]
  probes: WireProbe[]
  rows: Map<number, WireResult>
}

const firstBatch = 3
let recording: Recording

/** Nine probes that are answered and twelve that end with staggered deadlines, so that the batch takes many frames. */
function plan(host: string, ports: { tcp: number; udp: number; http: number }, silent: number): WireProbe[] {
  const kinds = ['tcp', 'udp', 'http'] as const
  const answered = kinds.flatMap((kind, index) =>
    [0, 1, 2].map((n): WireProbe => {
      const id = index * 3 + n
      return { id, kind, host, port: ports[kind], nonce: `nonce-${id}`, timeoutMs: 5_000 }
    }),
  )
  const unanswered = Array.from({ length: 12 }, (_, n): WireProbe => {
    const id = 9 + n
    return { id, kind: 'udp', host, port: silent, nonce: `nonce-${id}`, timeoutMs: 30 + 30 * n }
  })
  return [...answered, ...unanswered]
}

beforeAll(async () => {
  await using agents = new LocalAgents()
  const host = '127.0.0.1'
  const pod = await agents.pod('server', host, await freePorts(host))
  const silent = createSocket('udp4').bind(0, host)
  await once(silent, 'listening')
  const received: Buffer[] = []
  const take = (): Buffer[] => lines(Buffer.concat(received.splice(0)))
  const transport = processTransport(agents.prober(pod))
  const client = await AgentClient.open({
    ...transport,
    onData: (listener) =>
      transport.onData((chunk) => {
        received.push(Buffer.from(chunk))
        listener(chunk)
      }),
  })
  const hello = take()
  const probes = plan(host, pod.ports, silent.address().port)
  await client.runPlan(probes.slice(0, firstBatch))
  const first = take()
  const { results: rows } = await client.runPlan(probes)
  recording = { hello, first, second: take(), probes, rows }
  client.close()
  silent.close()
})

function lines(bytes: Buffer): Buffer[] {
  const text = bytes.toString('latin1').split(/(?<=\n)/)
  return text.map((line) => Buffer.from(line, 'latin1'))
}

async function runReplay(
  second: readonly Buffer[],
  ending: 'close' | 'silence',
  chunkBytes = Infinity,
): Promise<BatchResult> {
  const limits: AgentLimits = { helloMs: 5_000, silenceMs: ending === 'silence' ? 20 : 5_000, slackMs: 5_000 }
  const parts = [recording.hello, recording.first, second].map((part) => Buffer.concat(part))
  const client = await AgentClient.open(replay(parts, ending, chunkBytes), limits)
  await client.runPlan(recording.probes.slice(0, firstBatch))
  const batch = await client.runPlan(recording.probes)
  client.close()
  return batch
}

type Damage = (frames: Buffer[], earlier: readonly Buffer[]) => Buffer[]

/** One way in which a stream can go wrong; `pick` chooses the frame, `at` the place in it. */
const damages: Record<string, (pick: number, at: number) => Damage> = {
  cut: (pick, at) => (frames) => {
    const end = pick % (frames.length + 1)
    return [...frames.slice(0, end), (frames[end] ?? Buffer.alloc(0)).subarray(0, at % 400)]
  },
  truncate: (pick, at) => (frames) =>
    frames.map((frame, index) =>
      index === pick % frames.length
        ? Buffer.concat([frame.subarray(0, at % frame.length), Buffer.of(10)])
        : frame,
    ),
  lose: (pick) => (frames) => frames.filter((_, index) => index !== pick % frames.length),
  duplicate: (pick) => (frames) =>
    frames.flatMap((frame, index) => (index === pick % frames.length ? [frame, frame] : [frame])),
  reorder: (pick, at) => (frames) => {
    const moved = frames.toSpliced(pick % frames.length, 1)
    return moved.toSpliced(at % frames.length, 0, frames[pick % frames.length] ?? Buffer.alloc(0))
  },
  flip: (pick, at) => (frames) => {
    const bytes = Buffer.concat(frames)
    if (bytes.length === 0) return frames
    const place = (pick * 8_191 + at) % bytes.length
    bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << (at % 8)), place)
    return [bytes]
  },
  stale: (pick, at) => (frames, earlier) =>
    frames.toSpliced(pick % (frames.length + 1), 0, earlier[at % earlier.length] ?? Buffer.alloc(0)),
}

const damage = fc.record({
  kind: fc.constantFrom(...Object.keys(damages)),
  pick: fc.nat(1_000),
  at: fc.nat(10_000),
})

test('an undamaged stream gives every row, in chunks of any size', async () => {
  for (const chunkBytes of [1, 7, 1_000, Infinity]) {
    const batch = await runReplay(recording.second, 'close', chunkBytes)
    expect(batch.fault).toBeUndefined()
    expect(batch).toEqual({
      results: recording.rows,
      complete: true,
      waited: { fromMs: expect.any(Number), toMs: expect.any(Number) },
    })
  }
  expect(recording.rows.size).toBe(21)
  expect(recording.second.length).toBeGreaterThan(3)
})

test('10,000 damaged streams: each row is the true one or missing with a reason; none hangs', async () => {
  const seen = { complete: 0, partial: 0, empty: 0 }
  const damaged = fc.record({
    damages: fc.array(damage, { minLength: 1, maxLength: 3 }),
    ending: fc.oneof(
      { weight: 49, arbitrary: fc.constant('close' as const) },
      { weight: 1, arbitrary: fc.constant('silence' as const) },
    ),
    chunkBytes: fc.integer({ min: 1, max: 4_000 }),
  })
  await fc.assert(
    fc.asyncProperty(damaged, async ({ damages: list, ending, chunkBytes }) => {
      const earlier = [...recording.hello, ...recording.first]
      let second = recording.second
      for (const { kind, pick, at } of list) {
        if (second.length > 0) second = damages[kind]?.(pick, at)(second, earlier) ?? second
      }
      const { results, complete, fault } = await runReplay(second, ending, chunkBytes)
      for (const [id, row] of results) expect(row).toEqual(recording.rows.get(id))
      expect(complete).toBe(results.size === recording.rows.size && fault === undefined)
      expect(complete ? 'none' : fault).toMatch(/\w/)
      seen[complete ? 'complete' : results.size > 0 ? 'partial' : 'empty'] += 1
    }),
    { numRuns: 10_000, timeout: 3_000 },
  )
  console.log(`10,000 damaged streams: ${JSON.stringify(seen)}`)
  expect(seen.partial).toBeGreaterThan(1_000)
  expect(seen.complete).toBeLessThan(2_000)
}, 120_000)

test('a damaged hello is an error with a reason, never another agent', async () => {
  const bytes = Buffer.concat(recording.hello)
  await fc.assert(
    fc.asyncProperty(fc.nat(bytes.length * 8 - 1), fc.nat(bytes.length), async (bit, length) => {
      const flipped = Buffer.from(bytes)
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      for (const hello of [flipped, bytes.subarray(0, Math.min(length, bytes.length - 1))]) {
        const transport = replay([hello], 'close')
        await expect(AgentClient.open(transport, { helloMs: 5_000 })).rejects.toThrow(/\w/)
      }
    }),
    { numRuns: 300, timeout: 3_000 },
  )
})
