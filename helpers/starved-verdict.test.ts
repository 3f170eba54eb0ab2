import { describe, expect, test } from 'vitest'
import type { WireResult } from './agent/protocol.ts'
import type { Judgement } from './inspect.ts'
import type { Observation } from './observation.ts'
import { observationOf } from './observation.testdata.ts'
import { makePlan } from './plan/plan.ts'
import type { Planned } from './plan/planned.ts'
import { checks } from '../suites/catalogue.ts'
import { isStarved, unlessStarved } from './starved-verdict.ts'
import { healthyWorld } from './world.testdata.ts'

const silence: Judgement = { verdict: 'timed-out', detail: 'no answer in 3000 ms at answer' }

/** How a question ended whose server did not answer it, and how long which pods waited for a processor meanwhile. */
interface Silent {
  /** none: its row is missing. */
  result?: Partial<WireResult> | 'none'
  waits?: Readonly<Record<string, number>>
  judgement?: Judgement
  timeoutMs?: number
}

const plan = makePlan(checks, healthyWorld())

/** What is said of the first question of a check. */
function judged(id: string, { result = {}, waits, judgement = silence, timeoutMs }: Silent): Judgement {
  const planned = plan.probes.find(({ check }) => check.id === id)
  const asked: Planned | undefined = planned?.receipt ?? planned?.questions[0]
  if (planned === undefined || asked === undefined) throw new Error(`nothing is asked for ${id}`)
  const wire = { ...asked.wire, ...(timeoutMs === undefined ? {} : { timeoutMs }) }
  return unlessStarved(planned, { ...asked, wire }, judgement, {
    result: (agent, of) =>
      agent === asked.agent && of === wire.id && result !== 'none'
        ? { id: of, end: 'timeout', attempts: 1, ms: 3_000, phase: 'answer', ...result }
        : undefined,
    ...(waits === undefined ? {} : { waitedMs: (agent: string) => waits[agent] ?? 0 }),
  })
}

const tcp = 'pod-to-pod/cross-node/tcp'
/** Its asker and its server. */
const [from, to] = ['worker1-a', 'worker2-a']

describe('silence of a server', () => {
  test('that had no processor for half of the time is unknown, and says for how long', () => {
    expect(judged(tcp, { timeoutMs: 3_000, waits: { [to]: 1_500.4 } })).toEqual({
      verdict: 'unknown',
      detail: `no answer in 3000 ms at answer, but cnic-main/${to} got no processor time for 1500 ms of it`,
      starved: true,
    })
    expect(judged(tcp, { timeoutMs: 3_000, waits: { [to]: 1_499 } })).toEqual(silence)
  })

  test('has another reason where it waited for less than a moment, however little time there was', () => {
    expect(judged(tcp, { timeoutMs: 75, waits: { [to]: 249 } })).toEqual(silence)
    expect(judged(tcp, { timeoutMs: 75, waits: { [to]: 250 } }).verdict).toBe('unknown')
  })

  test('says nothing of the silence before the question where no time is known of anybody', () => {
    expect(judged(tcp, {})).toEqual(silence)
    expect(judged(tcp, { waits: { [from]: 3_000 } })).toEqual(silence)
  })

  test('is said of itself where nothing else was', () => {
    expect(judged(tcp, { judgement: { verdict: 'timed-out' }, waits: { [to]: 9_000 } }).detail).toMatch(
      /^no answer, but /,
    )
  })

  test('before it could be asked is not its own: the kernel makes the handshake', () => {
    for (const phase of ['connect', 'resolve'] as const)
      expect(judged(tcp, { result: { phase }, waits: { [to]: 9_000 } })).toEqual(silence)
    expect(judged('pod-to-pod/cross-node/icmp', { waits: { [to]: 9_000 } })).toEqual(silence)
  })

  test('counts for whoever may answer, and for a receiver that counts what came', () => {
    expect(judged('service/cluster-ip/udp', { waits: { 'worker2-b': 9_000 } }).detail).toContain(
      'cnic-main/worker2-b got',
    )
    const datagrams = judged('pod-to-pod/cross-node/path-mtu', {
      result: { phase: 'connect' },
      waits: { [to]: 9_000 },
    })
    expect(datagrams.verdict).toBe('unknown')
  })

  test('is the only thing that a want of processors explains', () => {
    for (const verdict of ['reached', 'refused', 'wrong-peer', 'unknown'] as const)
      expect(judged(tcp, { judgement: { verdict }, waits: { [to]: 9_000 } })).toEqual({ verdict })
  })

  test('is as before where the result is missing', () => {
    expect(judged(tcp, { result: 'none', waits: { [to]: 9_000 } })).toEqual(silence)
  })
})

describe('all that is wrong is a want of processors', () => {
  const starved: Observation = { ...observationOf('unknown', 'no answer'), starved: true }

  test.each<[string, Observation[], boolean]>([
    ['where it is all that is wrong', [observationOf('reached'), starved], true],
    ['not where nothing is wrong', [observationOf('reached')], false],
    ['not beside something else', [starved, observationOf('refused')], false],
    ['not where something else is unknown', [starved, observationOf('unknown', 'the stream ended')], false],
    ['not where nobody says why', [starved, observationOf('unknown')], false],
  ])('%s', (_name, observations, is) => {
    expect(isStarved(observations)).toBe(is)
  })
})
