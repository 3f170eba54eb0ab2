import { expect, test } from 'vitest'
import type { WireResult } from './agent/protocol.ts'
import { askAwake } from './ask-awake.ts'
import { defineCheck, type Check } from './check.ts'
import type { PathProbe } from './check-probes.ts'
import type { Plan } from './plan/plan.ts'
import type { Replies } from './verdict.ts'
import { healthyWorld } from './world.testdata.ts'

const world = healthyWorld()

const asking = (protocol: PathProbe['protocol']): Check =>
  defineCheck({
    id: `test/starved/${protocol}`,
    level: 'core',
    covers: ['P3'],
    requirement: 'A pod MUST be reached.',
    pods: { here: { node: 'worker1' }, there: { node: 'worker2' } },
    probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol }],
  })

/** All questions end like this; the servers of all pods waited so long for a processor. */
function replying(plan: Plan, result: Omit<WireResult, 'id'>, waitedMs: number): Replies {
  const ids = [...plan.questions.values(), ...plan.receipts.values()].flat().map(({ id }) => id)
  return {
    result: (_agent, id) => (ids.includes(id) ? { id, ...result } : undefined),
    fault: () => undefined,
    waitedMs: () => waitedMs,
  }
}

const silent = (phase: WireResult['phase']): Omit<WireResult, 'id'> => ({
  end: 'timeout',
  attempts: 1,
  ms: 3_000,
  ...(phase === undefined ? {} : { phase }),
})

test.each([
  ['tcp', 'answer', 1_500, 'unknown'],
  ['udp', 'answer', 3_000, 'unknown'],
  // The kernel makes the handshake: that it did not come about is not for want of a processor.
  ['tcp', 'connect', 3_000, 'timed-out'],
  ['http', 'answer', 1_499, 'timed-out'],
  ['udp', 'answer', 0, 'timed-out'],
] as const)(
  'silence over %s at %s of a server that waited %i ms is %s',
  async (protocol, phase, ms, verdict) => {
    const check = asking(protocol)
    // Only once: what is starved is asked again.
    let times = 0
    const asked = await askAwake([check], world, async (plan) =>
      replying(plan, silent(times === 0 ? phase : 'connect'), times++ === 0 ? ms : 0),
    )
    expect(times).toBe(verdict === 'unknown' ? 2 : 1)
    expect(asked.observations(check, undefined)).toMatchObject([{ verdict: 'timed-out' }])
  },
)

test('datagrams that a starved receiver has not read are not lost', async () => {
  const check = asking('datagram')
  const details: string[] = []
  const asked = await askAwake([check], world, async (plan) => {
    const isFirst = details.push(String(plan.receipts.size)) === 1
    return replying(plan, { end: 'answered', attempts: 1, ms: 1, received: [] }, isFirst ? 2_000 : 0)
  })
  expect(details).toEqual(['1', '1'])
  expect(asked.observations(check, undefined)).toMatchObject([{ verdict: 'timed-out' }])
  expect(asked.starvedMs(check)).toBeGreaterThanOrEqual(1_000)
})

test('what was learnt is not asked again, also beside what was not', async () => {
  const [slow, red] = [asking('udp'), asking('tcp')]
  const asked: string[][] = []
  const starved = {
    end: 'starved',
    attempts: 1,
    ms: 1,
    lostMs: 9_000,
  } as const
  const result = await askAwake([slow, red], world, async (plan) => {
    asked.push(plan.probes.map(({ check }) => check.id))
    const isFirst = asked.length === 1
    const kinds = new Map([...plan.questions.values()].flat().map(({ id, kind }) => [id, kind]))
    return {
      result: (_agent, id) =>
        kinds.get(id) === 'udp' && isFirst ? { id, ...starved } : { id, end: 'refused', attempts: 1, ms: 1 },
      fault: () => undefined,
    }
  })
  expect(asked).toEqual([[slow.id, red.id], [slow.id]])
  expect(result.observations(slow, undefined)).toMatchObject([{ verdict: 'refused' }])
  expect(result.observations(red, undefined)).toMatchObject([{ verdict: 'refused' }])
  expect([result.starvedMs(red), typeof result.starvedMs(slow)]).toEqual([undefined, 'number'])
})
