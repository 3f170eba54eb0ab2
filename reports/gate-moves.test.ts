import { expect, test } from 'vitest'
import type { OutcomeKind } from '../helpers/observation.ts'
import { effectIn, wordsFor } from './gate-moves.ts'

const now = (outcome: OutcomeKind): { outcome: OutcomeKind } => ({ outcome })

test('what is as it was does nothing, unless it is still wrong or still unknown', () => {
  expect(effectIn('same', now('passed'), 'red')).toBe('quiet')
  expect(effectIn('same', now('failed'), 'red')).toBe('loud')
  expect(effectIn('same', now('not-run'), 'red')).toBe('open')
  expect(effectIn('same', undefined, 'red')).toBe('quiet')
})

test('other changes do what they do, whatever came of the check', () => {
  expect(effectIn('undecided', now('not-run'), 'red')).toBe('open')
  expect(effectIn('excused', now('not-run'), 'red')).toBe('loud')
  expect(effectIn('new-failure', now('failed'), 'quiet')).toBe('red')
})

test('a check that did not run is open, one that is gone is what the caller says', () => {
  expect(effectIn('lost', now('not-run'), 'red')).toBe('open')
  expect(effectIn('lost', undefined, 'red')).toBe('red')
  expect(effectIn('lost', undefined, 'loud')).toBe('loud')
})

test.each([
  ['same', 'loud', 'still failing'],
  ['same', 'open', 'still not run'],
  ['same', 'quiet', 'same'],
  ['new-failure', 'red', 'newly failing'],
  ['newly-unsupported', 'red', 'newly unsupported'],
  ['regressed', 'red', 'regressed'],
] as const)('%s that is %s is called "%s"', (kind, effect, words) => {
  expect(wordsFor(kind, effect)).toBe(words)
})
