import { assert, constantFrom, property } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checks } from '../suites/catalogue.ts'
import { wireEnds, type WireEnd } from './agent/protocol.ts'
import type { Judgement } from './inspect.ts'
import { outcomeOf } from './outcome.ts'
import { makePlan } from './plan/plan.ts'
import type { Planned } from './plan/planned.ts'
import { unlessUncontrolled } from './silence-verdict.ts'
import { observe } from './verdict.ts'
import { healthyWorld } from './world.testdata.ts'

const world = healthyWorld()
const declares = { features: ['outside'], expect: [], matches: () => false }
const check = checks.filter(({ id }) => id === 'service/external-traffic-policy/no-endpoint/tcp')

interface Said {
  end: WireEnd
  /** Milliseconds. */
  ms?: number
}

/** What comes of the check when the port that must be silent says this, and the one beside it that. */
function judged(silent: Said, control: Said, dead: readonly string[] = []) {
  const plan = makePlan(check, world)
  const [endpoint] = world.pods
  const observations = plan.probes.map((planned) =>
    observe(
      planned,
      {
        result: (_agent, id) => {
          const asked = plan.probes.find(({ questions }) => questions.some(({ wire }) => wire.id === id))
          const said = asked?.probe.expect === 'timed-out' ? silent : control
          const identity = {
            nonce: '',
            podUid: endpoint?.uid ?? '',
            pod: endpoint?.fullName ?? '',
            node: endpoint?.pinnedTo ?? '',
            saw: '172.18.0.2',
          }
          return { id, attempts: 1, ms: 1, ...said, ...(said.end === 'answered' ? { identity } : {}) }
        },
        fault: (agent) => (dead.includes(agent) ? 'the stream ended' : undefined),
      },
      world,
    ),
  )
  const [first] = observations
  if (check[0] === undefined || first === undefined) throw new Error('no such check')
  return { first, outcome: outcomeOf(check[0], observations, 1, declares).outcome }
}

const answered: Said = { end: 'answered' }
const silent: Said = { end: 'timeout' }

test('a port that is silent beside one that answers is silent', () => {
  expect(judged(silent, answered)).toMatchObject({ first: { verdict: 'timed-out' }, outcome: 'passed' })
})

test('nothing is known of it where the port beside it is silent too, and the check fails for that one', () => {
  const { first, outcome } = judged(silent, silent)
  expect(first).toMatchObject({
    verdict: 'unknown',
    detail: expect.stringContaining('proves nothing') as string,
  })
  expect(outcome).toBe('failed')
})

test('an answer that took longer than the silence lasted is no control', () => {
  expect(judged(silent, { ...answered, ms: 1_500 })).toMatchObject({
    first: { verdict: 'unknown' },
    outcome: 'not-run',
  })
})

test('where a pod behind the Service died, silence is no finding', () => {
  expect(judged(silent, answered, ['worker2-a'])).toMatchObject({
    first: { verdict: 'unknown' },
    outcome: 'not-run',
  })
})

test('whoever answers there has no business to', () => {
  expect(judged(answered, answered)).toMatchObject({ first: { verdict: 'wrong-peer' }, outcome: 'failed' })
})

test('a refusal is as good as silence, where the check says so', () => {
  expect(judged({ end: 'refused' }, answered)).toMatchObject({
    first: { verdict: 'refused', expected: 'refused' },
    outcome: 'passed',
  })
})

test('it is green in two cases only', () => {
  assert(
    property(constantFrom(...wireEnds), constantFrom(...wireEnds), (first, second) => {
      const green = (first === 'timeout' || first === 'refused') && second === 'answered'
      expect(judged({ end: first }, { end: second }).outcome === 'passed').toBe(green)
    }),
  )
})

describe('a silence', () => {
  const [base] = makePlan(check, world).probes.filter(({ controls }) => controls !== undefined)
  if (base === undefined) throw new Error('nothing has controls')
  const question = (id: number, timeoutMs: number): Planned => ({
    agent: 'a',
    wire: { id, kind: 'tcp', host: '192.0.2.1', port: 1, nonce: '', timeoutMs },
  })
  const planned = {
    ...base,
    questions: [question(1, 1_000), question(2, 2_000)],
    controls: [question(3, 1_000), question(4, 1_000)],
  }
  const timedOut: Judgement = { verdict: 'timed-out' }
  const heard = (ms: number) => ({
    result: (_agent: string, id: number) =>
      id === 4 ? { id, end: 'answered' as const, attempts: 1, ms } : undefined,
  })

  test('is borne out by one control that took no longer than the shortest of its time limits', () => {
    expect(unlessUncontrolled(planned, timedOut, heard(1_000))).toBe(timedOut)
    expect(unlessUncontrolled(planned, timedOut, heard(1_001))).toEqual({
      verdict: 'unknown',
      detail:
        'silence, and no other port of that node answered within that time: silence proves nothing by itself',
    })
    expect(unlessUncontrolled(planned, { ...timedOut, detail: 'none' }, heard(1_001)).detail).toMatch(
      /^none, and/,
    )
  })

  test('needs none where nobody said that it must be, and nothing else does', () => {
    const { controls: _none, ...alone } = planned
    expect(unlessUncontrolled(alone, timedOut, heard(1_001))).toBe(timedOut)
    const wanted = { ...planned, probe: { ...planned.probe, expect: 'reached' as const } }
    expect(unlessUncontrolled(wanted, timedOut, heard(1_001))).toBe(timedOut)
    const refused: Judgement = { verdict: 'refused' }
    expect(unlessUncontrolled(planned, refused, heard(1_001))).toBe(refused)
  })
})
