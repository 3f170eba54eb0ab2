import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { clip, duration, glued, listed, oneLine, plain, wrap } from './text.ts'

test('durations', () => {
  const shown = [0, 0.04, 0.44, 9.96, 42.4, 999.4, 999.9, 1_000, 58_240, 119_949, 119_960, 125_400]
  expect(shown.map(duration)).toEqual([
    '0.0 ms',
    '0.0 ms',
    '0.4 ms',
    '10 ms',
    '42 ms',
    '999 ms',
    '1.0 s',
    '1.0 s',
    '58.2 s',
    '119.9 s',
    '2 min 0 s',
    '2 min 5 s',
  ])
})

test('lists', () => {
  expect([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(listed)).toEqual(['', 'a', 'a and b', 'a, b and c'])
})

test('harmless text stays, the rest goes', () => {
  expect(plain('é 日本\tx\r\ny\u2028z')).toBe('é 日本\tx\ny\nz')
  expect(oneLine(' \u001b[1ma\u001b[0m\n\n b\u0000\u009b2J ')).toBe('a b')
  expect(plain('\ud800')).toBe('\ufffd')
  expect(clip('ab🚂cd', 4)).toBe('ab…')
})

test('wrapping loses nothing and keeps to the width where words allow', () => {
  const words = fc.array(fc.stringMatching(/^[a-z]{1,12}$/), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(words, fc.integer({ min: 12, max: 60 }), (all, width) => {
      const lines = wrap(all.join(' '), width)
      expect(lines.join(' ')).toBe(all.join(' '))
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(width)
    }),
  )
  expect(wrap(`12345 ${glued('a b')}`, 7)).toEqual(['12345', 'a b'])
})
