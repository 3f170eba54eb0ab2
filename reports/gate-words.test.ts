import { describe, expect, test } from 'vitest'
import type { Outcome } from '../helpers/observation.ts'
import { changeKinds, effects, type Gate } from './gate-model.ts'
import { changeOfOne, gateOf, later, one, refusal, runOf, withOne } from './gate.testdata.ts'
import { noiseFloorMs, type GateOptions } from './gate.ts'
import { mergeRuns } from './merge.ts'
import type { Run } from './model.ts'
import { deadRun, outcomesOf, runWith } from './run.testdata.ts'

/** What a gate says, to the letter: who reads it decides on an upgrade. */

const merged = (id: string, ...runs: Run[]): Run =>
  mergeRuns(
    runs.map((run, at) => ({ run, file: `${at}`, folder: '' })),
    id,
  )
const partial = (run: Run): Run => ({ ...run, run: { ...run.run, partial: true, filter: '--check dns/**' } })
const [red, green] = [withOne('failed'), outcomesOf()]

describe('which runs are not compared', () => {
  const run = runWith(green)
  const otherId = (other: Run): Run => ({ ...other, run: { ...other.run, id: 'other' } })
  const otherTime = (other: Run): Run => ({
    ...other,
    run: { ...other.run, startedAt: later(other).run.startedAt },
  })

  test('two of the same time are: neither is the earlier one', () => {
    expect(refusal(() => gateOf(run, otherId(run)))).toEqual([])
  })

  test('two with one id are, where they were started at other times', () => {
    expect(refusal(() => gateOf(run, otherTime(run)))).toEqual([])
  })

  test('those of which one leg is the same leg, whatever other legs there are', () => {
    const calico = later(runWith(green, 'calico'))
    expect(refusal(() => gateOf(merged('two', run, calico), run, { anyOrder: true }))).toEqual([
      'new.json: legs: "flannel" is of the same run as in old.json; compare two runs',
    ])
  })

  test('legs of other clusters in the same run are other legs', () => {
    const calico = runWith(green, 'calico')
    const both = merged('both', calico, later(runWith(green)))
    expect(refusal(() => gateOf(run, both, { anyOrder: true }))).toEqual([])
  })
})

describe('what is said of the two sides', () => {
  test('is what they are, and a filter where there was one', () => {
    const gate = gateOf(runWith(green), later(partial(runWith(green))))
    const side = { tool: runWith(green).tool, verdict: '35 checks passed on flannel' }
    expect(gate.before).toEqual({
      ...side,
      file: 'old.json',
      run: '5e1f00d1',
      startedAt: '2026-11-21T08:00:00.000Z',
      partial: false,
    })
    expect(gate.after).toEqual({
      ...side,
      file: 'new.json',
      run: 'later',
      startedAt: '2026-11-22T08:00:00.000Z',
      partial: true,
      filter: '--check dns/**',
    })
  })

  test('and which of them has a leg', () => {
    const two = merged('two', runWith(green), runWith(green, 'calico'))
    const inBoth = (before: Run, after: Run): string[] =>
      gateOf(before, later(after)).legs.map((leg) => `${leg.name} in ${leg.in}`)
    expect(inBoth(two, runWith(green))).toEqual(['flannel in both', 'calico in before'])
    expect(inBoth(runWith(green), two)).toEqual(['flannel in both', 'calico in after'])
  })

  test('and what leaves one open', () => {
    expect(gateOf(deadRun(), later(runWith(green))).legs[0]?.open).toEqual([
      expect.stringMatching(/^before: set-up failed in phase cni/),
    ])
    expect(gateOf(runWith(green), later(deadRun())).legs[0]?.open).toEqual([
      expect.stringMatching(/^after: set-up failed in phase cni/),
    ])
  })
})

describe('what is said of a check', () => {
  test('that is as it was is nothing but that', () => {
    const unmeasured = withOne('passed', { observations: [], reason: undefined })
    const [was, is] = [runOf(unmeasured), later(runOf(unmeasured))]
    expect(changeOfOne(gateOf(was, is, { maxSlowdown: 2 }))).toEqual({
      check: one,
      level: 'core',
      change: 'same',
      effect: 'quiet',
      before: 'passed',
      after: 'passed',
    })
  })

  test('that is gone is why it has no outcome', () => {
    expect(changeOfOne(gateOf(runOf(green), later(runOf(withOne('absent')))))).toEqual({
      check: one,
      level: 'core',
      change: 'lost',
      effect: 'red',
      before: 'passed',
      reason: 'the later run does not have it',
    })
  })

  test('that was never core is no weakening, and both that weaken it are told', () => {
    const extended = withOne('passed', { level: 'extended' })
    expect(changeOfOne(gateOf(runOf(extended), later(runOf(extended))))?.change).toBe('same')
    const [observation] = green.find(({ check }) => check === one)?.observations ?? []
    if (observation === undefined) throw new Error('no observation')
    const less = withOne('passed', { level: 'extended', observations: [observation] })
    expect(changeOfOne(gateOf(runOf(green), later(runOf(less))))?.reason).toBe(
      'core before, extended now, 2 probes before, 1 now',
    )
  })

  test('comes after what is worse: by what it does, then by what it is', () => {
    const kinds = ['passed', 'failed', 'expected', 'unsupported', 'not-run'] as const
    const among = (seed: number): Outcome[] =>
      green.map((each, at) => ({ ...each, outcome: kinds[(at * seed + Math.floor(at / 5)) % 5] ?? 'passed' }))
    const { changes } = gateOf(runOf(among(1)), later(runOf(among(2)))).legs[0] ?? { changes: [] }
    const told = changes.map(({ effect, change }) => [effects.indexOf(effect), changeKinds.indexOf(change)])
    expect(told).toEqual(told.toSorted(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d))
    expect(new Set(changes.map(({ effect }) => effect))).toEqual(new Set(effects))
  })
})

describe('slower', () => {
  const taking = (ms: number | undefined): Run =>
    runOf(
      withOne('passed', { reason: undefined }).map((each) => ({
        ...each,
        observations: each.observations.map(({ latencyMs: _old, ...seen }) => ({
          ...seen,
          ...(ms === undefined ? {} : { latencyMs: ms }),
        })),
      })),
    )
  const gate = (before: number | undefined, after: number | undefined, options: GateOptions = {}): Gate =>
    gateOf(taking(before), later(taking(after)), options)

  test('is compared when it is asked for, and says by what', () => {
    expect(gate(1, 1, { maxSlowdown: 2 }).latency).toEqual({ maxSlowdown: 2, noiseFloorMs })
    expect(gate(1, 1)).not.toHaveProperty('latency')
  })

  test('is nothing that takes just as long as it may, nor what was not measured on both sides', () => {
    expect(changeOfOne(gate(500, 1_000, { maxSlowdown: 2 }))?.change).toBe('same')
    for (const [before, after] of [
      [undefined, 9_000],
      [9_000, undefined],
    ])
      expect(changeOfOne(gate(before, after, { maxSlowdown: 2 }))).not.toHaveProperty('latency')
  })

  test('than no time at all is more of it', () => {
    expect(changeOfOne(gate(0, 300, { maxSlowdown: 2 }))?.reason).toBe(
      'median more of what it was, 2 times is allowed',
    )
  })
})

describe('the verdict', () => {
  const verdict = (before: Run, after: Run) => gateOf(before, later(after)).verdict
  const both = (some: Outcome[], others: Outcome[]): Run =>
    merged('both', runWith(some), runWith(others, 'calico'))

  test.each<[string, Run, Run, Gate['verdict']]>([
    ['nothing to read', runOf(green), runOf(green), { exitCode: 0, text: 'no regression in 35 checks' }],
    [
      'something to read on two clusters',
      both(red, red),
      both(red, red),
      {
        exitCode: 0,
        text: 'no regression in 70 checks; but 1 still failing on flannel; 1 still failing on calico',
      },
    ],
    [
      'red on two clusters',
      both(green, green),
      both(red, red),
      { exitCode: 1, text: '1 regressed on flannel; 1 regressed on calico' },
    ],
    [
      'both partial',
      partial(runOf(green)),
      partial(runOf(green)),
      { exitCode: 3, text: 'no verdict: the earlier run is partial; the later run is partial' },
    ],
    [
      'red, and open beside it',
      partial(runOf(green)),
      partial(runOf(red)),
      {
        exitCode: 1,
        text: '1 regressed on flannel (and no verdict on the rest: the earlier run is partial; the later run is partial)',
      },
    ],
  ])('%s', (_name, before, after, said) => {
    expect(verdict(before, after)).toEqual(said)
  })
})
