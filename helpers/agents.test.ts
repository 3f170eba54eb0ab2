import { KubeConfig } from '@kubernetes/client-node'
import { expect, test } from 'vitest'
import type { AgentTransport } from './agent/client.ts'
import { encodeLine } from './agent/frames.ts'
import { protocolVersion, type Command } from './agent/protocol.ts'
import { Agents } from './agents.ts'
import { defineCheck } from './check.ts'
import { makePlan } from './plan/plan.ts'
import { observe } from './verdict.ts'
import { healthyWorld } from './world.testdata.ts'

/** What goes down to each agent, and what comes of it. */
const world = healthyWorld()
const check = defineCheck({
  id: 'test/pair',
  level: 'core',
  covers: ['P3'],
  requirement: 'It MUST work.',
  pods: { client: { node: 'worker1' }, server: { node: 'worker2' } },
  probes: [{ from: 'client', to: 'server', via: 'pod-ip', protocol: 'tcp' }],
})

/** Finds nobody; its stream ends with the batch of this number instead of answering. */
function silentNetwork(asked: number[], endsAt = Infinity): AgentTransport {
  let seq = 0
  let onData: (chunk: Uint8Array) => void = () => undefined
  let onClose: (reason: string) => void = () => undefined
  const send = (frame: object): void => onData(Buffer.from(encodeLine({ seq: seq++, ...frame })))
  return {
    write(text) {
      const command = JSON.parse(text.slice(9)) as Command
      if (command.type !== 'plan') return
      const { batch, probes } = command
      asked.push(probes.length)
      setImmediate(() => {
        if (batch >= endsAt) return onClose('the pod is gone')
        const rows = probes.map(({ id }) => ({ id, end: 'timeout', attempts: 1, ms: 3_000 }))
        if (rows.length > 0) send({ type: 'results', batch, results: rows })
        return send({ type: 'done', batch, count: rows.length, waited: { fromMs: 0, toMs: 0 } })
      })
    },
    onData(listener) {
      onData = listener
      const hello = { podUid: '', pod: '', node: '', version: protocolVersion, sockets: 100 }
      setImmediate(() => send({ type: 'hello', ...hello }))
    },
    onClose: (listener) => void (onClose = listener),
    close: () => undefined,
  }
}

async function ask(serverEndsAt?: number) {
  const asked = new Map(world.pods.map(({ name }) => [name, [] as number[]]))
  const agents = new Agents(new KubeConfig(), world.namespaces)
  const plan = makePlan([check], world)
  const server = plan.probes[0]?.mayAnswer[0]?.name
  for (const [name, batches] of asked)
    await agents.connectBy(name, async () =>
      silentNetwork(batches, name === server ? serverEndsAt : undefined),
    )
  const replies = await agents.ask(plan)
  agents.close()
  const [seen] = plan.probes.map((probe) => observe(probe, replies, world))
  return { asked, seen }
}

test('who asks and who must have been alive are asked twice, and nobody else at all', async () => {
  const { asked, seen } = await ask()
  expect(Object.fromEntries([...asked].filter(([, batches]) => batches.length > 0))).toEqual({
    'worker1-a': [1, 0],
    'worker2-a': [0, 0],
  })
  expect(seen?.verdict).toBe('timed-out')
})

test('silence of a peer that was gone at the end is no evidence', async () => {
  const { seen } = await ask(2)
  expect(seen?.verdict).toBe('unknown')
  expect(seen?.detail).toContain('worker2-a was not alive throughout: the pod is gone')
})
