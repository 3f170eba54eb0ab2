import { describe, expect, test } from 'vitest'
import { defineCheck, type Check } from './check.ts'
import type { Observation } from './observation.ts'
import { observationOf } from './observation.testdata.ts'
import { outcomeOf, withNeeds, type Declared } from './outcome.ts'

const declares: Declared = {
  features: ['host-network', 'outside'],
  expect: [],
  matches: (glob, id) => glob === id,
}

const check = defineCheck({
  id: 'pod-to-pod/example',
  level: 'core',
  covers: ['P2'],
  requirement: 'A pod MUST reach another.',
  pods: { a: { node: 'worker1' }, b: { node: 'worker1' } },
  probes: [{ from: 'a', to: 'b', via: 'pod-ip', protocol: 'tcp' }],
})

const deviation = {
  check: check.id,
  verdict: 'timed-out' as const,
  reason: 'known',
  issue: 'https://example.org/1',
  until: '2999-01-01',
}

test('a declared deviation is expected, any other verdict is a failure, and a pass is one too', () => {
  const declared = { ...declares, expect: [deviation] }
  expect(outcomeOf(check, [observationOf('timed-out')], 1, declared).outcome).toBe('expected')
  expect(outcomeOf(check, [observationOf('refused')], 1, declared).outcome).toBe('failed')
  expect(outcomeOf(check, [observationOf('reached')], 1, declared)).toMatchObject({
    outcome: 'failed',
    reason: expect.stringContaining('remove the deviation') as string,
  })
})

test('a check may deviate in two ways; each must be seen, and nothing else', () => {
  const other = { ...deviation, verdict: 'refused' as const, issue: 'https://example.org/2' }
  const declared = { ...declares, expect: [deviation, other] }
  const kind = (...verdicts: Observation['verdict'][]): string =>
    outcomeOf(
      check,
      verdicts.map((verdict) => observationOf(verdict)),
      1,
      declared,
    ).outcome
  expect(kind('timed-out', 'refused', 'reached')).toBe('expected')
  expect(kind('timed-out', 'refused', 'wrong-peer')).toBe('failed')
  expect(kind('timed-out', 'refused', 'unknown')).toBe('failed')
  expect(kind('unknown', 'reached')).toBe('not-run')
  expect(outcomeOf(check, [observationOf('timed-out')], 1, declared)).toMatchObject({
    outcome: 'failed',
    reason:
      'refused is no longer seen, although the cluster file expects it: remove that deviation (https://example.org/2)',
  })
})

test('a failure that was seen is not hidden by a row that is missing', () => {
  expect(outcomeOf(check, [observationOf('unknown'), observationOf('timed-out')], 1, declares).outcome).toBe(
    'failed',
  )
  expect(outcomeOf(check, [observationOf('unknown'), observationOf('reached')], 1, declares).outcome).toBe(
    'not-run',
  )
  expect(outcomeOf(check, [], 1, declares).outcome).toBe('not-run')
})

test('core checks need no feature; extended ones say which feature is missing', () => {
  const extended = { ...check, level: 'extended' as const, features: ['ipv6' as const] }
  expect(outcomeOf(extended, [], 1, declares)).toMatchObject({
    outcome: 'unsupported',
    reason: 'the cluster does not declare ipv6: `features: [ipv6]` in its definition does',
  })
  expect(outcomeOf({ ...extended, level: 'core' }, [observationOf('reached')], 1, declares).outcome).toBe(
    'passed',
  )
})

test('what a run itself lacks makes a core check unsupported too', () => {
  const asking = { ...check, features: ['host-network' as const, 'outside' as const] }
  const lacking = { ...declares, features: ['outside'] }
  expect(outcomeOf(asking, [], 1, lacking)).toMatchObject({
    outcome: 'unsupported',
    reason: 'it asks from or at nodes, and this run has no pods with the network of their nodes',
  })
  expect(outcomeOf(asking, [observationOf('reached')], 1, declares).outcome).toBe('passed')
})

test('of what a run lacks core checks too are unsupported, each lack with its reason', () => {
  const core = { ...check, level: 'core' as const, features: ['pod-cidr' as const] }
  expect(outcomeOf(core, [observationOf('reached')], 1, declares)).toMatchObject({
    outcome: 'unsupported',
    reason: expect.stringMatching(/pod CIDR .* `network.podSubnet` in a definition does/),
  })
  expect(outcomeOf(core, [observationOf('reached')], 1, withNeeds(declares, ['pod-cidr'])).outcome).toBe(
    'passed',
  )
  const both = { ...check, level: 'extended' as const, features: ['ipv6' as const, 'pod-cidr' as const] }
  expect(outcomeOf(both, [], 1, declares).reason).toMatch(/ipv6.*; .*pod CIDR/)
})

describe('what every outcome says of its check', () => {
  const base = {
    check: 'pod-to-pod/example',
    level: 'core',
    covers: ['P2'],
    requirement: 'A pod MUST reach another.',
    durationMs: 1.23,
    observations: [observationOf('reached')],
    outcome: 'passed',
  }
  const outcome = (over: Partial<Check>) =>
    outcomeOf({ ...check, ...over }, [observationOf('reached')], 1.234, declares)

  test('no more than it has', () => {
    expect(outcome({})).toStrictEqual(base)
  })

  test('its rung, what it needs, and that it is of the user', () => {
    expect(outcome({ rung: 'dns', features: ['outside'], own: true })).toStrictEqual({
      ...base,
      rung: 'dns',
      features: ['outside'],
      own: true,
    })
  })
})

describe('reasons, to the letter', () => {
  const reason = (observations: Observation[], over: Partial<Declared> = {}): string | undefined =>
    outcomeOf(check, observations, 1, { ...declares, ...over }).reason

  test('of a failure: what was seen, what was expected, and how many more', () => {
    expect(reason([observationOf('refused')])).toBe('refused, expected reached: a -> b')
    const detailed = { ...observationOf('refused'), detail: 'at connect', step: 'under the policy' }
    expect(reason([detailed])).toBe('under the policy: refused, expected reached: a -> b: at connect')
    expect(reason([detailed, observationOf('timed-out'), observationOf('refused')])).toBe(
      'under the policy: refused, expected reached: a -> b: at connect (and 2 more)',
    )
    expect(reason([observationOf('unknown'), observationOf('unknown')])).toBe(
      'unknown, expected reached: a -> b (and 1 more)',
    )
  })

  test('of no probe at all', () => {
    expect(reason([])).toBe('no probe was sent')
  })

  test('of deviations: each that is declared for this check, and none of another', () => {
    const other = { ...deviation, verdict: 'refused' as const, until: '2998-01-01' }
    expect(
      reason([observationOf('timed-out'), observationOf('refused')], {
        expect: [deviation, other, { ...deviation, check: 'elsewhere', verdict: 'wrong-peer' }],
      }),
    ).toBe(
      'timed-out is expected until 2999-01-01: known (https://example.org/1); refused is expected until 2998-01-01: known (https://example.org/1)',
    )
    expect(reason([observationOf('reached')], { expect: [deviation] })).toBe(
      'passes, although the cluster file expects timed-out: remove the deviation (https://example.org/1)',
    )
  })

  test('of what is missing, several at once', () => {
    const asking = { ...check, level: 'extended' as const, features: ['ipv6' as const, 'sctp' as const] }
    expect(outcomeOf(asking, [], 1, declares).reason).toBe(
      'the cluster does not declare ipv6, sctp: `features: [ipv6, sctp]` in its definition does',
    )
  })
})
