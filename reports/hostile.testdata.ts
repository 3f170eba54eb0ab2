import * as fc from 'fast-check'
import { levelSchema, rungs } from '../helpers/check.ts'
import { verdictSchema } from '../helpers/check-probes.ts'
import { outcomeKindSchema, type Outcome } from '../helpers/observation.ts'
import type { NewEvent } from './events.ts'
import { foldEvents } from './fold.ts'
import { mergeRuns } from './merge.ts'
import { abortSchema, type Run } from './model.ts'
import { clusterNamed, machine, timeAt, timed } from './run.testdata.ts'

/** Text that breaks reports: markup, escape sequences, control characters, lone surrogates, what CI systems obey. */
const hostileText: fc.Arbitrary<string> = fc
  .array(
    fc.oneof(
      { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
      fc.constantFrom(
        ']]>',
        '<!--',
        '</testcase>',
        '<script>alert(1)</script>',
        '&amp;',
        '&#0;',
        '\u001b[31mred\u001b[0m',
        '\u001b]8;;https://example.org\u0007link\u001b]8;;\u0007',
        '\u009b2J',
        '\u0000',
        '\ud800',
        '\ufffe',
        '\u202e',
        '\u200f',
        '\u2066',
        '</style>',
        '=1+cmd|A1',
        '@SUM(A1)',
        '\r\n',
        '| a | b |',
        '```\n',
        '`````',
        '@everyone',
        '[x](javascript:alert(1))',
        '</details>',
        '::error::pwned',
        '"\'',
        '日本語',
      ),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))

const outcomeArbitrary: fc.Arbitrary<Outcome> = fc.record(
  {
    check: fc.oneof(fc.constantFrom('pod-to-pod/cross-node/tcp', 'dns/resolv-conf', 'odd'), hostileText),
    level: fc.constantFrom(...levelSchema.options),
    covers: fc.array(hostileText, { maxLength: 2 }),
    requirement: hostileText,
    rung: fc.constantFrom(...rungs),
    outcome: fc.constantFrom(...outcomeKindSchema.options),
    reason: hostileText,
    durationMs: fc.double({ min: 0, max: 1e7, noNaN: true }),
    observations: fc.array(
      fc.record(
        {
          probe: hostileText,
          from: fc.record(
            { name: hostileText, node: hostileText, address: hostileText },
            { requiredKeys: ['name'] },
          ),
          to: fc.record(
            { name: hostileText, node: hostileText, address: hostileText },
            { requiredKeys: ['name'] },
          ),
          via: hostileText,
          protocol: hostileText,
          expected: fc.constantFrom(...verdictSchema.options),
          verdict: fc.constantFrom(...verdictSchema.options),
          attempts: fc.nat(200),
          asked: fc.nat(64),
          answered: fc.nat(64),
          latencyMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
          peers: fc.array(
            fc.record({
              pod: hostileText,
              node: hostileText,
              answers: fc.nat(64),
              saw: fc.array(hostileText, { maxLength: 2 }),
            }),
            { maxLength: 2 },
          ),
          detail: hostileText,
        },
        {
          requiredKeys: [
            'probe',
            'from',
            'to',
            'via',
            'protocol',
            'expected',
            'verdict',
            'attempts',
            'asked',
            'answered',
            'peers',
          ],
        },
      ),
      { maxLength: 6 },
    ),
    evidence: hostileText,
  },
  { requiredKeys: ['check', 'level', 'covers', 'requirement', 'outcome', 'durationMs', 'observations'] },
)

const legArbitrary = fc.record({
  outcomes: fc.array(outcomeArbitrary, { maxLength: 5 }),
  failure: fc.option(
    fc.record({ phase: hostileText, what: hostileText, seen: hostileText, next: hostileText }),
  ),
  coverage: fc.record({
    nodes: fc.record({
      covered: fc.nat(50),
      of: fc.nat(50),
      leftOut: fc.array(
        fc.record({
          why: hostileText,
          count: fc.integer({ min: 1, max: 9 }),
          names: fc.array(hostileText, { maxLength: 3 }),
        }),
        { maxLength: 2 },
      ),
    }),
    pairs: fc.record({ asked: fc.nat(9), of: fc.nat(9), seed: hostileText }),
  }),
})

/** Runs whose every string is hostile. */
export const hostileRun: fc.Arbitrary<Run> = fc
  .record({
    legs: fc.array(legArbitrary, { maxLength: 3 }),
    filter: fc.option(hostileText),
    by: fc.option(fc.constantFrom(...abortSchema.options)),
  })
  .map(({ legs, filter, by }) => {
    const names = legs.map((_, index) => `leg${index}\u001b[2J<&|`)
    const events: NewEvent[] = [
      {
        type: 'run-started',
        schemaVersion: 1,
        tool: { name: 'cni-conformance', version: '0.1.0' },
        run: {
          id: 'r',
          startedAt: timeAt(0),
          partial: filter !== null,
          ...(filter === null ? {} : { filter }),
        },
        machine,
        legs: names.map((name) => ({ cluster: clusterNamed(name), planned: [] })),
      },
      ...legs.flatMap(({ outcomes, failure, coverage }, index): NewEvent[] => {
        const leg = names[index] ?? ''
        return [
          { type: 'coverage', leg, coverage },
          ...outcomes.map((outcome): NewEvent => ({ type: 'outcome', leg, outcome })),
          ...(failure === null ? [] : [{ type: 'setup-failed', leg, failure } as const]),
        ]
      }),
      ...(by === null ? [] : [{ type: 'aborted', by } as const]),
    ]
    return foldEvents(timed(events))
  })

/** A merged run whose every string is hostile, those about where its legs come from, too. */
export const hostileMergedRun: fc.Arbitrary<Run> = fc
  .tuple(hostileRun, hostileText, hostileText)
  .filter(([{ legs }]) => legs.length > 0)
  .map(([run, os, folder]) =>
    mergeRuns([{ run: { ...run, machine: { ...machine, os } }, file: 'hostile.json', folder }], 'merged'),
  )
