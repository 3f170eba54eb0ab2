import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../exec.ts'
import type { FirstPlan, FirstReport } from './first-packets.ts'
import { freePorts, LocalAgents, type LocalPod } from './local-agent.ts'

/** The program that a pod runs which asks from its first moment. */

let agents: LocalAgents
let peer: LocalPod
let silentPort: number
let closedPort: number

beforeAll(async () => {
  agents = new LocalAgents()
  peer = await agents.pod('peer', '127.0.0.31', await freePorts('127.0.0.31'))
  silentPort = await agents.stoppedListener('127.0.0.32', 1)
  closedPort = (await freePorts('127.0.0.33')).tcp
})

afterAll(() => agents[Symbol.asyncDispose]())

test('says who answered and when, and counts silence and refusals as no answer', async () => {
  const plan: FirstPlan = {
    targets: [
      { name: 'peer', host: peer.host, port: peer.ports.tcp },
      { name: 'silent', host: '127.0.0.32', port: silentPort },
      { name: 'closed', host: '127.0.0.33', port: closedPort },
    ],
    everyMs: 10,
    durationMs: 400,
    timeoutMs: 1_000,
  }
  const { stdout } = await run(
    [process.execPath, join(agents.directory, 'main.mjs'), 'first', JSON.stringify(plan)],
    { env: { POD_UID: 'uid-new' } },
  )
  const report = JSON.parse(stdout) as FirstReport
  const [answering, silent, closed] = report.results
  expect(report.podUid).toBe('uid-new')
  expect(report.startedMs).toBeGreaterThan(0)
  expect(answering).toMatchObject({ name: 'peer', peers: ['uid-peer'] })
  expect(answering?.answered).toBeGreaterThan(0)
  expect(answering?.firstMs).toBeLessThan(plan.durationMs)
  expect(answering?.lastMs).toBeGreaterThanOrEqual(answering?.firstMs ?? Infinity)
  for (const mute of [silent, closed]) {
    expect(mute).toMatchObject({ answered: 0, peers: [] })
    expect(mute?.firstMs).toBeUndefined()
  }
})
