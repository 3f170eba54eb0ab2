import * as fc from 'fast-check'
import { load } from 'js-yaml'
import { expect, test } from 'vitest'
import { anyInput, hostileFiles, judge, malformed, refusalLine, subjects } from './testing/hostile-texts.ts'

// A sample that takes seconds; `node bench/fuzz.ts` is the whole.

test.each(subjects)('$name: what the cases start from is valid', (subject) => {
  for (const text of subject.valid) expect(judge(subject, text).problems).toEqual([])
  for (const text of [`\uFEFF${subject.valid[0]}`, subject.valid[0]?.replaceAll('\n', '\r\n') ?? ''])
    expect(judge(subject, text).problems).toEqual([])
})

test('two hundred malformed files: each is refused, one line for each error, at once', () => {
  const cases = subjects.flatMap((subject) =>
    malformed(subject).map(([name, text]) => ({ subject, name, text })),
  )
  expect(cases.length).toBeGreaterThanOrEqual(200)
  for (const { subject, name, text } of cases) {
    const { problems, ms } = judge(subject, text)
    expect([name, problems.length > 0, problems.length <= 51, ms < 1_000]).toEqual([name, true, true, true])
    for (const line of problems) expect([name, line]).toEqual([name, expect.stringMatching(refusalLine)])
  }
})

test('a thousand hostile names and values: each is refused where it stands', () => {
  const files = hostileFiles((yaml) => load(yaml))
  expect(files.length).toBeGreaterThanOrEqual(1_000)
  const accepted = files.filter(({ subject, text }) => judge(subject, text).problems.length === 0)
  expect(accepted.map(({ what }) => what)).toEqual([])
})

test.each(subjects)(
  '$name: five thousand fuzzed inputs, never a crash, never slow',
  (subject) => {
    fc.assert(
      fc.property(anyInput(subject), (text) => {
        const { problems, ms } = judge(subject, text)
        expect(ms).toBeLessThan(1_000)
        for (const line of problems) expect(line).toMatch(refusalLine)
      }),
      { numRuns: 5_000 },
    )
  },
  120_000,
)
