import { expect, test } from 'vitest'
import type { Leg, Run } from './model.ts'
import { coverageText, spentOf } from './scope.ts'
import { outcomesOf, runWith } from './run.testdata.ts'
import { renderMarkdown } from './markdown.ts'
import { renderSummary } from './terminal.ts'

const leftOut = { why: 'control plane', count: 1, names: ['plane'] }

test.each([
  [
    'all',
    { nodes: { covered: 2, of: 3, leftOut: [leftOut] }, pairs: { asked: 2, of: 2 } },
    '2 of 3 nodes, all 2 pairs of them; without pods: plane (control plane)',
  ],
  [
    'a sample of many',
    {
      nodes: { covered: 40, of: 46, leftOut: [{ why: 'taint gpu:NoSchedule', count: 6, names: ['a', 'b'] }] },
      pairs: { asked: 870, of: 1_560, seed: 'x' },
    },
    '40 of 46 nodes, 870 of their 1560 pairs, drawn with seed x; without pods: a, b and 4 more (taint gpu:NoSchedule)',
  ],
  [
    'a run that does not ask it',
    { nodes: { covered: 2, of: 2, leftOut: [] } },
    '2 of 2 nodes, no check asks every pair of nodes',
  ],
])('coverage of %s', (_what, coverage, text) => {
  expect(coverageText({ coverage })).toBe(text)
})

/** A run whose fixtures were up at the tenth second, and whose checks took so long. */
function runOf(ms: number, profile: Run['run']['profile']): { run: Run; leg: Leg } {
  const run = runWith(outcomesOf())
  const at = (second: number): string =>
    new Date(Date.parse(run.run.startedAt) + second * 1_000).toISOString()
  const phase = (name: string, startedAt: string, took: number) => ({ name, startedAt, ms: took, ok: true })
  const [leg] = run.legs
  if (leg === undefined) throw new Error('no leg')
  leg.phases = [
    phase('fixtures', at(8), 2_000),
    phase('traffic', at(10), 1_000),
    phase('checks', at(11), ms - 1_000),
    phase('evidence', at(60), 9_000),
    phase('delete', at(70), 9_000),
  ]
  run.run = { ...run.run, ...(profile === undefined ? {} : { profile }) }
  return { run, leg }
}

test('what a profile takes is counted from the fixtures to the last outcome, without evidence and deletion', () => {
  const { run, leg } = runOf(3_000, 'core')
  expect(spentOf(leg, run)?.text).toBe(
    '3.0 s of the 5.0 s that core has from fixtures Ready to the last outcome',
  )
  const whole = runOf(3_000, undefined)
  expect(spentOf(whole.leg, whole.run)).toBeUndefined()
})

test('more than the budget is a warning that says what it is not, and changes no verdict', () => {
  const { run, leg } = runOf(7_500, 'core')
  expect(spentOf(leg, run)?.text).toBe(
    '7.5 s, above the 5.0 s that core has from fixtures Ready to the last outcome (coreMs); it says nothing about the network',
  )
  expect(renderSummary(run, { stream: process.stdout, columns: 200 })).toContain('budget    7.5 s, above')
  expect(renderMarkdown(run)).toContain('⚠️ Budget: 7.5 s, above')
  expect(run.verdict.exitCode).toBe(0)
})

test('of smoke on a cluster that stands the whole run counts', () => {
  const { run, leg } = runOf(1_500, 'smoke')
  leg.cluster.given = { context: 'staging', server: 'https://there' }
  run.run.endedAt = new Date(Date.parse(run.run.startedAt) + 12_000).toISOString()
  expect(spentOf(leg, run)?.text).toBe(
    '12.0 s of the 15.0 s that smoke has from the first to the last moment',
  )
})
