import * as fc from 'fast-check'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { outcomeKindSchema } from '../helpers/observation.ts'
import { renderGateMarkdown } from './gate-markdown.ts'
import { effects, gateSchema, type Gate } from './gate-model.ts'
import { renderGate } from './gate-text.ts'
import { changeOfOne, gateOf, later, one, refusal, runOf, withOne } from './gate.testdata.ts'
import { noiseFloorMs, type GateOptions } from './gate.ts'
import { hostileMergedRun, hostileRun } from './hostile.testdata.ts'
import { mergeRuns } from './merge.ts'
import type { Run } from './model.ts'
import { crossNodeDown, deadRun, outcomesOf, runWith } from './run.testdata.ts'
import { openEndsOf } from './verdict.ts'

/** Every move, what it is called, what it does, and the exit code when nothing else changed. */
const moves = [
  ['passed', 'passed', 'same', 'quiet', 0],
  ['passed', 'failed', 'regressed', 'red', 1],
  ['passed', 'expected', 'excused', 'loud', 0],
  ['passed', 'unsupported', 'newly-unsupported', 'red', 1],
  ['passed', 'not-run', 'lost', 'open', 3],
  ['passed', 'absent', 'lost', 'red', 1],
  ['failed', 'passed', 'fixed', 'quiet', 0],
  ['failed', 'failed', 'same', 'loud', 0],
  ['failed', 'expected', 'excused', 'loud', 0],
  ['failed', 'unsupported', 'newly-unsupported', 'red', 1],
  ['failed', 'not-run', 'lost', 'open', 3],
  ['failed', 'absent', 'lost', 'red', 1],
  ['expected', 'passed', 'fixed', 'quiet', 0],
  ['expected', 'failed', 'regressed', 'red', 1],
  ['expected', 'expected', 'same', 'quiet', 0],
  ['expected', 'unsupported', 'newly-unsupported', 'red', 1],
  ['expected', 'not-run', 'lost', 'open', 3],
  ['expected', 'absent', 'lost', 'red', 1],
  ['unsupported', 'passed', 'newly-supported', 'quiet', 0],
  ['unsupported', 'failed', 'new-failure', 'red', 1],
  ['unsupported', 'expected', 'excused', 'loud', 0],
  ['unsupported', 'unsupported', 'same', 'quiet', 0],
  ['unsupported', 'not-run', 'undecided', 'open', 3],
  ['unsupported', 'absent', 'dropped', 'loud', 0],
  ['not-run', 'passed', 'new', 'quiet', 3],
  ['not-run', 'failed', 'new-failure', 'red', 1],
  ['not-run', 'expected', 'new', 'quiet', 3],
  ['not-run', 'unsupported', 'new', 'quiet', 3],
  ['not-run', 'not-run', 'same', 'open', 3],
  ['not-run', 'absent', 'dropped', 'loud', 3],
  ['absent', 'passed', 'new', 'quiet', 0],
  ['absent', 'failed', 'new-failure', 'red', 1],
  ['absent', 'expected', 'new', 'quiet', 0],
  ['absent', 'unsupported', 'new', 'quiet', 0],
  ['absent', 'not-run', 'undecided', 'open', 3],
] as const

test.each(moves)('%s -> %s is %s (%s), exit %i', (before, after, change, effect, exitCode) => {
  const gate = gateOf(runOf(withOne(before)), later(runOf(withOne(after))))
  expect(changeOfOne(gate)).toMatchObject({ change, effect })
  expect(gate.verdict.exitCode).toBe(exitCode)
})

test('every pair of outcomes is in the table', () => {
  const kinds = [...outcomeKindSchema.options, 'absent']
  const pairs = kinds.flatMap((a) => kinds.map((b) => `${a} ${b}`)).filter((pair) => pair !== 'absent absent')
  expect(moves.map(([a, b]) => `${a} ${b}`).toSorted()).toEqual(pairs.toSorted())
})

test('a check that failed and still fails is no regression, and is named all the same', () => {
  const gate = gateOf(runWith(withOne('failed')), later(runWith(withOne('failed'))))
  expect(gate.verdict).toEqual({
    exitCode: 0,
    text: 'no regression in 35 checks; but 1 still failing on flannel',
  })
  expect(text(gate)).toContain(`  ~ 1 check still failing\n    ${one}\n      failed → failed: it is failed`)
})

test('a check that asks less, or is less than core, has been weakened', () => {
  const [first] = outcomesOf().find(({ check }) => check === one)?.observations ?? []
  if (first === undefined) throw new Error('no observation')
  const fewer = gateOf(runWith(outcomesOf()), later(runWith(withOne('passed', { observations: [first] }))))
  expect(changeOfOne(fewer)).toMatchObject({
    change: 'weakened',
    effect: 'loud',
    reason: '2 probes before, 1 now',
  })
  const lower = gateOf(runWith(outcomesOf()), later(runWith(withOne('passed', { level: 'extended' }))))
  expect(changeOfOne(lower)).toMatchObject({ change: 'weakened', reason: 'core before, extended now' })
  const step = (probes: number) => ({
    steps: [{ name: 'deny', role: 'judged' as const, probes, asExpected: probes, ms: 1 }],
  })
  const steps = gateOf(runWith(withOne('passed', step(8))), later(runWith(withOne('passed', step(7)))))
  expect(changeOfOne(steps)).toMatchObject({ change: 'weakened', reason: '8 probes before, 7 now' })
  expect([fewer, lower, steps].map(({ verdict }) => verdict.exitCode)).toEqual([0, 0, 0])
})

test('slower counts only when it is asked for, above the factor and above the noise', () => {
  const taking = (ms: number): Run =>
    runWith(
      outcomesOf().map((each) => ({
        ...each,
        observations: each.observations.map((seen) =>
          each.check === one ? { ...seen, latencyMs: ms } : seen,
        ),
      })),
    )
  const exit = (before: number, after: number, options: GateOptions): number =>
    gateOf(taking(before), later(taking(after)), options).verdict.exitCode
  expect(exit(1, 1_000, {})).toBe(0)
  expect(exit(1, 1_000, { maxSlowdown: 2 })).toBe(1)
  expect(exit(1, 1 + noiseFloorMs, { maxSlowdown: 2 })).toBe(0)
  expect(exit(500, 999, { maxSlowdown: 2 })).toBe(0)
  expect(exit(500, 1_001, { maxSlowdown: 2 })).toBe(1)
  expect(exit(0, 1_000, { maxSlowdown: 2 })).toBe(1)
  const gate = gateOf(taking(100), later(taking(400)), { maxSlowdown: 2 })
  expect(changeOfOne(gate)).toMatchObject({
    change: 'slower',
    effect: 'red',
    latency: { beforeMs: 100, afterMs: 400 },
  })
  expect(text(gate)).toContain(
    'passed → passed (100 ms → 400 ms): median 4.0 times of what it was, 2 times is allowed',
  )
})

test('a partial run opens no gate, and what its filter left out is not lost; a regression in it is one', () => {
  const part = (run: Run): Run => ({ ...run, run: { ...run.run, partial: true, filter: '--check dns/**' } })
  const some = outcomesOf().filter(({ check }) => check.startsWith('dns/'))
  const after = gateOf(runWith(outcomesOf()), part(later(runOf(some))))
  expect(after.verdict).toEqual({ exitCode: 3, text: 'no verdict: the later run is partial' })
  const before = gateOf(part(runOf(some)), later(runWith(outcomesOf())))
  expect(before.verdict.exitCode).toBe(3)
  expect(
    gateOf(runWith(outcomesOf()), part(later(runWith(outcomesOf(crossNodeDown))))).verdict.exitCode,
  ).toBe(1)
})

test('a run without a verdict opens no gate, on either side', () => {
  const [green, dead] = [runWith(outcomesOf()), deadRun()]
  const after = gateOf(green, later(dead))
  expect(after.verdict).toEqual({
    exitCode: 3,
    text: expect.stringMatching(/^no verdict: flannel after: set-up failed in phase cni/),
  })
  expect(after.counts).toMatchObject({ lost: 35 })
  expect(gateOf(dead, later(green)).verdict.exitCode).toBe(3)
  expect(gateOf(dead, later(dead)).verdict.exitCode).toBe(3)
  // Core checks that are all unsupported have shown nothing.
  const nothing = outcomesOf().map((each) => ({ ...each, outcome: 'unsupported' as const }))
  expect(gateOf(runWith(nothing), later(runWith(nothing))).verdict.exitCode).toBe(3)
})

test('legs are matched by name: one that is gone is lost, a new one is new', () => {
  const two = mergeRuns(
    [runWith(outcomesOf()), runWith(outcomesOf(), 'calico')].map((run, at) => ({
      run,
      file: `${at}`,
      folder: '',
    })),
    'two',
  )
  const gone = gateOf(two, later(runWith(outcomesOf())))
  expect(gone.verdict).toEqual({ exitCode: 1, text: '35 lost on calico' })
  const added = gateOf(runWith(outcomesOf()), later(two))
  expect([added.verdict.exitCode, added.counts.new]).toEqual([0, 35])
})

test('what cannot be compared is refused, all reasons at once', () => {
  const run = runWith(outcomesOf())
  expect(refusal(() => gateOf(run, later(runWith(outcomesOf(), 'calico'))))).toEqual([
    'new.json: legs: it has "calico", and old.json has "flannel": no cluster in common',
  ])
  expect(refusal(() => gateOf(run, run))).toEqual([
    'new.json: legs: "flannel" is of the same run as in old.json; compare two runs',
  ])
  const merged = mergeRuns([{ run, file: 'a', folder: '' }], 'merged')
  expect(refusal(() => gateOf(run, merged, { anyOrder: true }))).toHaveLength(1)
  const swapped = (): Gate => gateOf(later(run), run)
  expect(refusal(swapped)).toEqual([
    'new.json: run.startedAt: 2026-11-21T08:00:00.000Z is earlier than that of old.json, 2026-11-22T08:00:00.000Z; the earlier run comes first, or add --any-order',
  ])
  expect(gateOf(later(run), run, { anyOrder: true }).verdict.exitCode).toBe(0)
  expect(refusal(() => gateOf({ ...run, legs: [] }, { ...later(run), legs: [] }))).toEqual([
    'new.json: legs: it has no cluster, and old.json has no cluster: no cluster in common',
  ])
})

test('what differs between the runs is shown, and refused is none of it', () => {
  const after = later(runWith(outcomesOf()))
  const [leg] = after.legs
  if (leg === undefined) throw new Error('no leg')
  leg.identity = { ...leg.identity, kubernetes: 'v1.38.0', mtu: 1500 }
  leg.cluster = { ...leg.cluster, sha256: 'ef'.repeat(32), checksSha256: '12'.repeat(32) }
  after.machine = { ...after.machine, kernel: '6.19.0' }
  after.tool = { ...after.tool, version: '0.2.0' }
  const gate = gateOf(runWith(outcomesOf()), after)
  expect(gate.legs[0]?.differences).toEqual([
    { what: 'Kubernetes', before: 'v1.37.0', after: 'v1.38.0' },
    { what: 'MTU', before: '1450', after: '1500' },
    { what: 'definition', before: 'abababababab', after: 'efefefefefef' },
    { what: 'check set', before: 'cdcdcdcdcdcd', after: '121212121212' },
  ])
  expect(gate.differences).toEqual([
    { what: 'tool', before: 'cni-conformance 0.1.0', after: 'cni-conformance 0.2.0' },
    { what: 'kernel', before: '6.18.0', after: '6.19.0' },
  ])
  expect(gate.verdict.exitCode).toBe(0)
})

const stream = new PassThrough()
const text = (gate: Gate, columns = 100): string => renderGate(gate, { stream, columns })

test('a regression on the terminal', () => {
  const broken = later(
    runWith(outcomesOf((check) => (check.endsWith('/each-server/pod-udp') ? lost : undefined))),
  )
  const [leg] = broken.legs
  if (leg !== undefined) leg.identity = { ...leg.identity, kubernetes: 'v1.38.0' }
  const gate = gateOf(runWith(withOne('failed')), broken)
  expect(text(gate)).toMatchInlineSnapshot(`
    "flannel  35 checks: 1 regressed, 1 fixed, 33 same

      Kubernetes  v1.37.0 → v1.38.0

      ✗ 1 check regressed
        dns/each-server/pod-udp
          passed → failed: timed-out, expected reached: worker1-a -> kube-dns via pod-ip over udp: no
          answer in 3000 ms

      ✓ 1 check fixed
        pod-to-pod/cross-node/tcp

    ✗ 1 regressed on flannel
      before    old.json: run 5e1f00d1, 2026-11-21 08:00 UTC, cni-conformance 0.1.0: 1 of 35 checks
                failed on flannel
      after     new.json: run later, 2026-11-22 08:00 UTC, cni-conformance 0.1.0: 1 of 35 checks failed
                on flannel
      latency   not compared: --max-slowdown does that
      exit code 1, regression"
  `)
})

const lost = { verdict: 'timed-out', detail: 'no answer in 3000 ms' } as const

test('the Markdown of a regression', () => {
  const gate = gateOf(runWith(outcomesOf()), later(runWith(withOne('failed', { reason: 'a | b <script>' }))))
  expect(renderGateMarkdown(gate)).toMatchInlineSnapshot(`
    "## ❌ 1 regressed on flannel

    Exit code 1 (regression).

    - before: old.json: run 5e1f00d1, 2026-11-21 08:00 UTC, cni-conformance 0.1.0: 35 checks passed on flannel
    - after: new.json: run later, 2026-11-22 08:00 UTC, cni-conformance 0.1.0: 1 of 35 checks failed on flannel
    - latency: not compared: --max-slowdown does that

    ### flannel

    35 checks: 1 regressed, 34 same

    | check |  | why |
    |---|---|---|
    | pod-to-pod/cross-node/tcp | ❌ regressed | passed → failed: a &#124; b &#60;script> |
    "
  `)
})

/** A pair of hostile runs that can be compared. */
const hostilePair = fc
  .tuple(hostileRun, fc.oneof(hostileRun, hostileMergedRun))
  .filter(([before, after]) => before.legs.length > 0 && after.legs.length > 0)

test('whatever the strings: the JSON fits its schema, green is only what nothing speaks against', () => {
  fc.assert(
    fc.property(hostilePair, fc.option(fc.constant(2)), ([before, after], maxSlowdown) => {
      const gate = gateOf(before, later(after), maxSlowdown === null ? {} : { maxSlowdown })
      expect(gateSchema.parse(JSON.parse(JSON.stringify(gate)))).toEqual(gate)
      const all = gate.legs.flatMap(({ changes }) => changes)
      expect(Object.values(gate.counts).reduce((sum, each) => sum + each, 0)).toBe(all.length)
      const worst = Math.min(...all.map(({ effect }) => effects.indexOf(effect)), effects.length)
      const undecided = [before, after].some(
        ({ run, legs }) => run.partial || legs.some((leg) => openEndsOf(leg).length > 0),
      )
      const open = undecided || worst === effects.indexOf('open')
      expect(gate.verdict.exitCode).toBe(worst === 0 ? 1 : open ? 3 : 0)
    }),
    { numRuns: 300 },
  )
})

test('whatever the strings and the width: no escape sequence, no line end inside a line, no HTML of theirs', () => {
  fc.assert(
    fc.property(hostilePair, fc.integer({ min: 1, max: 300 }), ([before, after], columns) => {
      const gate = gateOf(before, later(after))
      // oxlint-disable-next-line no-control-regex
      const harmful = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200f\u202e\u2066]/
      expect(text(gate, columns)).not.toMatch(harmful)
      const markdown = renderGateMarkdown(gate)
      expect(markdown).not.toMatch(harmful)
      expect(markdown).not.toContain('<')
      for (const line of markdown.split('\n').filter((each) => each.startsWith('|')))
        expect(line.match(/\|/g)).toHaveLength(gate.legs.length > 1 ? 5 : 4)
    }),
    { numRuns: 300 },
  )
})
