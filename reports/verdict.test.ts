import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { levelSchema } from '../helpers/check.ts'
import { outcomeKindSchema, type Outcome } from '../helpers/observation.ts'
import { abortSchema } from './model.ts'
import { countsOf, verdictOf, type JudgedLeg } from './verdict.ts'

const outcome = (kind: Outcome['outcome'], level: Outcome['level'] = 'core'): Outcome => ({
  check: 'pod-to-pod/same-node/tcp',
  level,
  covers: ['P2'],
  requirement: 'It MUST hold.',
  outcome: kind,
  durationMs: 1,
  observations: [],
})

const leg = (outcomes: Outcome[], rest: Partial<JudgedLeg> = {}): JudgedLeg => ({
  cluster: { name: 'flannel' },
  outcomes,
  ...rest,
})

const failure = { phase: 'cni', what: 'the CNI did not come up', next: 'look at its pods' }
const passed = outcome('passed')
const failed = outcome('failed')
const notRun = outcome('not-run')

test.each<[name: string, legs: JudgedLeg[], exitCode: number, text: string]>([
  ['all passed', [leg([passed, passed])], 0, '2 checks passed on flannel'],
  [
    'with what may be',
    [leg([passed, outcome('expected'), outcome('unsupported', 'extended')])],
    0,
    '1 check passed, 1 deviated as expected and 1 unsupported on flannel',
  ],
  ['one failed', [leg([passed, failed])], 1, '1 of 2 checks failed on flannel'],
  [
    'failed and not run',
    [leg([passed, failed, notRun])],
    1,
    '1 of 3 checks failed on flannel (and 1 of 3 checks did not run)',
  ],
  ['not run', [leg([passed, notRun])], 3, 'no verdict on flannel: 1 of 2 checks did not run'],
  ['nothing planned', [leg([])], 3, 'no verdict on flannel: no check was planned'],
  ['no leg', [], 3, 'no verdict: nothing ran'],
  ['only extended', [leg([outcome('passed', 'extended')])], 3, 'no verdict on flannel: no core check passed'],
  [
    'all unsupported',
    [leg([outcome('unsupported', 'extended')])],
    3,
    'no verdict on flannel: no core check passed',
  ],
  [
    'core unsupported for want of something that the run lacks',
    [leg([passed, { ...outcome('unsupported'), features: ['pod-cidr'] }])],
    0,
    '1 check passed and 1 unsupported on flannel',
  ],
  [
    'core unsupported',
    [leg([passed, outcome('unsupported')])],
    3,
    'no verdict on flannel: core checks cannot be unsupported: pod-to-pod/same-node/tcp',
  ],
  [
    'set-up failed',
    [leg([notRun, notRun], { setupFailure: failure })],
    3,
    'no verdict on flannel: set-up failed in phase cni: the CNI did not come up',
  ],
  [
    'one leg green, one dead',
    [leg([passed]), leg([notRun], { cluster: { name: 'calico' }, setupFailure: failure })],
    3,
    '1 check passed on flannel; no verdict on calico: set-up failed in phase cni: the CNI did not come up',
  ],
  [
    'interrupted',
    [leg([failed, notRun], { abortedBy: 'SIGINT' })],
    130,
    'interrupted: 1 of 2 checks failed on flannel (and ended by SIGINT, 1 of 2 checks did not run)',
  ],
  [
    'terminated',
    [leg([notRun], { abortedBy: 'SIGTERM' })],
    143,
    'terminated: no verdict on flannel: ended by SIGTERM, no check ran',
  ],
  [
    'out of time',
    [leg([passed, notRun], { abortedBy: 'timeout' })],
    3,
    'no verdict on flannel: the time was over, 1 of 2 checks did not run',
  ],
])('%s', (_name, legs, exitCode, text) => {
  expect(verdictOf(legs)).toEqual({ exitCode, text })
})

const outcomeArbitrary = fc
  .record({
    kind: fc.constantFrom(...outcomeKindSchema.options),
    level: fc.constantFrom(...levelSchema.options),
  })
  .map(({ kind, level }) => outcome(kind, level))
const legArbitrary: fc.Arbitrary<JudgedLeg> = fc
  .record({
    outcomes: fc.array(outcomeArbitrary, { maxLength: 8 }),
    broken: fc.boolean(),
    abortedBy: fc.option(fc.constantFrom(...abortSchema.options), { nil: undefined }),
  })
  .map(({ outcomes, broken, abortedBy }) =>
    leg(outcomes, {
      ...(broken ? { setupFailure: failure } : {}),
      ...(abortedBy === undefined ? {} : { abortedBy }),
    }),
  )

test('counts add up', () => {
  fc.assert(
    fc.property(fc.array(outcomeArbitrary), (outcomes) => {
      expect(Object.values(countsOf(outcomes)).reduce((sum, each) => sum + each, 0)).toBe(outcomes.length)
    }),
  )
})

test('green only when every leg has passed a core check and nothing speaks against it', () => {
  fc.assert(
    fc.property(fc.array(legArbitrary, { maxLength: 3 }), (legs) => {
      const green = legs.every(
        ({ outcomes, setupFailure, abortedBy }) =>
          setupFailure === undefined &&
          abortedBy === undefined &&
          outcomes.some((each) => each.level === 'core' && each.outcome === 'passed') &&
          outcomes.every(
            (each) =>
              each.outcome === 'passed' ||
              each.outcome === 'expected' ||
              (each.outcome === 'unsupported' && each.level === 'extended'),
          ),
      )
      expect(verdictOf(legs).exitCode === 0).toBe(green && legs.length > 0)
    }),
    { numRuns: 1_000 },
  )
})

test('a failure is 1 unless a signal ended the run', () => {
  fc.assert(
    fc.property(fc.array(legArbitrary, { minLength: 1, maxLength: 3 }), (legs) => {
      const { exitCode } = verdictOf(legs)
      const signalled = legs.some(({ abortedBy }) => abortedBy === 'SIGINT' || abortedBy === 'SIGTERM')
      const anyFailed = legs.some(({ outcomes }) => outcomes.some((each) => each.outcome === 'failed'))
      expect(exitCode === 130 || exitCode === 143).toBe(signalled)
      expect(exitCode === 1).toBe(anyFailed && !signalled)
    }),
  )
})
