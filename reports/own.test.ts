import { expect, test } from 'vitest'
import type { Outcome } from '../helpers/observation.ts'
import { renderHtml } from './html/page.ts'
import { renderJunit } from './junit.ts'
import { renderMarkdown } from './markdown.ts'
import { parseRun } from './model.ts'
import { crossNodeDown, outcomesOf, runWith } from './run.testdata.ts'
import { renderRun } from './terminal.ts'
import { renderJson } from './write.ts'

// Checks of a user's own: in every report, told apart, counted, and left out of what is said of layers.

const [other] = outcomesOf(crossNodeDown).filter(({ outcome }) => outcome === 'failed')
const [healthy] = outcomesOf()
if (other === undefined || healthy === undefined) throw new Error('no outcomes')
const ownPassed: Outcome = { ...healthy, check: 'mine/db/tcp', covers: [], own: true }
/** With the end of an id that means something where the product has it. */
const ownFailed: Outcome = { ...other, check: 'mine/cross-node/source-address', covers: [], own: true }
delete ownPassed.rung
delete ownFailed.rung

const run = runWith([...outcomesOf(), ownPassed, ownFailed])

test('a failed one fails the run, and names no layer', () => {
  expect(run.verdict).toMatchObject({ exitCode: 1, text: expect.stringContaining('1 of 37 checks failed') })
  expect(run.legs[0]?.diagnosis).toBeUndefined()
})

test('it is marked in every report', () => {
  const terminal = renderRun(run, { stream: process.stderr, columns: 200 })
  expect(terminal).toMatch(/^ +mine\/db \(own\) +✓ tcp/m)
  expect(terminal).toContain('✗ mine/cross-node/source-address core, own check')
  expect(renderJunit(run).match(/<property name="own" value="yes"\/>/g)).toHaveLength(2)
  expect(renderMarkdown(run)).toContain('mine/db/tcp (own)')
  expect(renderHtml(run)).toContain('mine/db/tcp <small>own</small>')
  const { legs } = parseRun('run.json', JSON.parse(renderJson(run)))
  expect(legs[0]?.outcomes.filter(({ own }) => own === true).map(({ check }) => check)).toEqual([
    'mine/db/tcp',
    'mine/cross-node/source-address',
  ])
})

test('nothing is marked that is not own', () => {
  const ours = runWith(outcomesOf(crossNodeDown))
  expect(renderRun(ours, { stream: process.stderr, columns: 200 })).not.toMatch(/\(own\)|own check/)
  expect(renderJunit(ours)).not.toContain('"own"')
})
