import { constantFrom, property, assert } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wireEnds, type WireEnd, type WireResult } from './agent/protocol.ts'
import type { TargetProbe } from './check-probes.ts'
import type { Target } from './check-targets.ts'
import { defineCheck } from './check.ts'
import { outcomeOf } from './outcome.ts'
import type { Observation, Outcome } from './observation.ts'
import { makePlan } from './plan/plan.ts'
import { judgeTarget } from './target-verdict.ts'
import { observe } from './verdict.ts'
import { healthyWorld } from './world.testdata.ts'

const world = healthyWorld()
const declares = { features: [], expect: [], matches: () => false }

/** A client that expects something of a target, and a control in another pod that expects to reach it. */
const checkOf = (expect: TargetProbe['expect'], protocol: Target['protocol'] = 'tcp') =>
  defineCheck({
    id: 'mine/db',
    level: 'core',
    covers: ['S1'],
    requirement: 'It MUST be as it is expected.',
    pods: { client: { node: 'worker1' }, control: { node: 'worker2' } },
    targets: { db: { service: 'db', namespace: 'prod', port: 5432, protocol } },
    probes: [
      { from: 'client', target: 'db', expect },
      { from: 'control', target: 'db' },
    ],
  })

type Said = Partial<WireResult> & { end: WireEnd }
const answered: Said = { end: 'answered', detail: 'connected', address: '10.96.7.7' }
const refused: Said = { end: 'refused' }
const silent: Said = { end: 'timeout', phase: 'connect' }

/** What comes of a check when its two pods say this; undefined: that agent died. */
function judged(
  check: ReturnType<typeof checkOf>,
  client: Said | undefined,
  control: Said | undefined,
): { first: Observation; outcome: Outcome } {
  const plan = makePlan([check], world)
  const said = new Map([
    ['worker1-a', client],
    ['worker2-a', control],
  ])
  const observations = plan.probes.map((planned) =>
    observe(
      planned,
      {
        result: (agent, id) => {
          const result = said.get(agent)
          return result === undefined ? undefined : { id, attempts: 1, ms: 1, ...result }
        },
        fault: (agent) => (said.get(agent) === undefined ? 'the stream ended' : undefined),
      },
      world,
    ),
  )
  const [first] = observations
  if (first === undefined) throw new Error('nothing observed')
  return { first, outcome: outcomeOf(check, observations, 1, declares) }
}

describe('a target that is reached', () => {
  test('says what it rests on, also where it was expected', () => {
    const { first, outcome } = judged(checkOf('reached'), answered, answered)
    expect(outcome.outcome).toBe('passed')
    expect(first).toMatchObject({
      verdict: 'reached',
      via: 'fqdn',
      protocol: 'tcp',
      to: { name: 'prod/db', address: 'db.prod.svc.cluster.local:5432' },
      detail:
        'connected from 10.96.7.7 port 5432: something answers there; who, a probe without an agent at the other end cannot tell',
    })
  })

  test('fails the check that expects silence, or anything else', () => {
    for (const expected of ['timed-out', 'refused', 'no-such-name'] as const)
      expect(judged(checkOf(expected), answered, answered).outcome.outcome).toBe('failed')
  })
})

describe('silence', () => {
  test('is a deny beside a pod that is answered', () => {
    const { first, outcome } = judged(checkOf('timed-out'), silent, answered)
    expect([first.verdict, outcome.outcome]).toEqual(['timed-out', 'passed'])
    expect(first.detail).toContain('while another pod of this check was answered')
  })

  test.each([
    ['the control is silent, too', silent],
    ['the control is refused', refused],
    ['the agent of the control died', undefined],
  ])('proves nothing where %s', (_name, control) => {
    const { first, outcome } = judged(checkOf('timed-out'), silent, control)
    expect(first.verdict).toBe('unknown')
    expect(outcome.outcome).not.toBe('passed')
  })

  test('of the resolver is no deny', () => {
    const { first, outcome } = judged(checkOf('timed-out'), { end: 'timeout', phase: 'resolve' }, answered)
    expect([first.verdict, outcome.outcome]).toEqual(['unknown', 'not-run'])
    expect(judged(checkOf('reached'), { end: 'timeout', phase: 'resolve' }, answered).first.verdict).toBe(
      'timed-out',
    )
  })

  test('after the handshake is no deny', () => {
    const after: Said = { end: 'timeout', phase: 'answer' }
    expect(judged(checkOf('timed-out', 'http'), after, answered)).toMatchObject({
      first: { verdict: 'wrong-answer' },
      outcome: { outcome: 'failed' },
    })
  })

  test('fails a check that expects an answer over TCP, and says whether others got one', () => {
    const alone = judged(checkOf('reached'), silent, silent)
    expect(alone.first).toMatchObject({
      verdict: 'timed-out',
      detail: expect.stringContaining('no other pod'),
    })
    expect(alone.outcome.outcome).toBe('failed')
  })

  test('over UDP proves nothing where nobody is answered: a service may not understand the question', () => {
    const quiet: Said = { end: 'timeout', phase: 'answer' }
    const { first, outcome } = judged(checkOf('reached', 'udp'), quiet, quiet)
    expect([first.verdict, outcome.outcome]).toEqual(['unknown', 'not-run'])
    expect(judged(checkOf('reached', 'udp'), quiet, answered).first.verdict).toBe('timed-out')
    expect(judged(checkOf('timed-out', 'udp'), quiet, answered).outcome.outcome).toBe('passed')
  })
})

describe('to the letter', () => {
  const whoCannotTell = 'something answers there; who, a probe without an agent at the other end cannot tell'

  test.each<[Said, Observation['verdict'], string]>([
    [{ end: 'answered' }, 'reached', `an answer from db.prod.svc.cluster.local port 5432: ${whoCannotTell}`],
    [{ end: 'refused' }, 'refused', 'refused'],
    [{ end: 'refused', phase: 'connect', detail: 'RST' }, 'refused', 'refused at connect (RST)'],
    [{ end: 'unreachable' }, 'unreachable', 'unreachable'],
    [
      { end: 'unreachable', phase: 'connect', detail: 'EHOSTUNREACH' },
      'unreachable',
      'unreachable at connect (EHOSTUNREACH)',
    ],
    [{ end: 'no-such-name' }, 'no-such-name', 'the name did not resolve'],
    [{ end: 'no-such-name', detail: 'ENOTFOUND' }, 'no-such-name', 'the name did not resolve (ENOTFOUND)'],
    [{ end: 'bad-answer', detail: 'odd' }, 'wrong-answer', 'connected, and got no answer in tcp (odd)'],
    [{ end: 'local-error', detail: 'EMFILE' }, 'unknown', 'the agent could not ask (EMFILE)'],
    [{ end: 'local-error' }, 'unknown', 'the agent could not ask'],
    [{ end: 'sent' }, 'unknown', 'the agent could not ask'],
    [{ end: 'starved', lostMs: 9 }, 'unknown', 'no answer, but the agent got no processor time for 9 ms'],
    [
      { end: 'timeout' },
      'timed-out',
      'no answer in 3000 ms at connect, while another pod of this check was answered',
    ],
    [
      { end: 'timeout', phase: 'resolve', detail: 'queryA' },
      'timed-out',
      'no answer in 3000 ms at resolve (queryA): the target itself was never asked',
    ],
    [{ end: 'timeout', phase: 'answer' }, 'wrong-answer', 'connected, then no answer in 3000 ms at answer'],
  ])('%o beside a pod that is answered', (said, verdict, detail) => {
    expect(judged(checkOf('reached'), said, answered).first).toMatchObject({ verdict, detail })
  })

  test('silence beside silence', () => {
    expect(judged(checkOf('timed-out'), silent, silent).first.detail).toBe(
      'no answer in 3000 ms at connect, and no other pod was answered: silence proves nothing by itself',
    )
    expect(judged(checkOf('reached'), silent, silent).first.detail).toBe(
      'no answer in 3000 ms at connect; no other pod of this check was answered there either',
    )
  })

  test('one answer among other pods is enough to show that there is something to deny', () => {
    const [one] = makePlan([checkOf('timed-out')], world).probes
    if (one === undefined) throw new Error('nothing is asked')
    const { target, controls: [control] = [], ...alone } = one
    if (target === undefined || control === undefined) throw new Error('no control')
    const result = { id: 0, end: 'timeout', attempts: 1, ms: 1 } as const
    const verdictBeside = (...others: WireEnd[]) =>
      judgeTarget(
        others.length === 0
          ? alone
          : { ...one, controls: others.map((_, id) => ({ ...control, wire: { ...control.wire, id } })) },
        target,
        result,
        { result: (_agent, id) => ({ ...result, id, end: others[id] ?? 'timeout' }) },
      ).verdict
    expect(verdictBeside('timeout', 'answered')).toBe('timed-out')
    expect(verdictBeside('timeout', 'timeout')).toBe('unknown')
    expect(verdictBeside()).toBe('unknown')
  })
})

test('no end but the expected one is green, and none without evidence', () => {
  const ends: Readonly<Record<string, WireEnd>> = {
    reached: 'answered',
    refused: 'refused',
    'timed-out': 'timeout',
    'no-such-name': 'no-such-name',
  }
  assert(
    property(
      constantFrom('reached', 'refused', 'timed-out', 'no-such-name' as const),
      constantFrom(...wireEnds, undefined),
      constantFrom(...wireEnds, undefined),
      constantFrom('tcp', 'udp', 'http' as const),
      (expected, end, control, protocol) => {
        const say = (each: WireEnd | undefined): Said | undefined =>
          each === undefined ? undefined : { end: each, phase: 'connect' }
        const { first } = judged(checkOf(expected, protocol), say(end), say(control))
        const green = first.verdict === first.expected
        const evidence = end === ends[expected] && (end !== 'timeout' || control === 'answered')
        expect(green).toBe(evidence)
      },
    ),
    { numRuns: 2_000 },
  )
})
