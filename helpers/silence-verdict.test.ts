import { assert, constantFrom, property } from 'fast-check'
import { expect, test } from 'vitest'
import { checks } from '../suites/catalogue.ts'
import { wireEnds, type WireEnd } from './agent/protocol.ts'
import { outcomeOf } from './outcome.ts'
import { makePlan } from './plan/plan.ts'
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
