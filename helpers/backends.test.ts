import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { backendsProblem, fairShare, type Backend } from './backends.ts'

const backends = (...answers: number[]): Backend[] =>
  answers.map((count, index) => ({ name: `pod-${index}`, answers: count }))

test('every endpoint must have answered; the silent ones are named', () => {
  expect(backendsProblem('every-endpoint', backends(63, 1), 64)).toBeUndefined()
  expect(backendsProblem('every-endpoint', backends(64, 0), 64)).toEqual({
    verdict: 'wrong-answer',
    detail: '64 connections, none answered by pod-1',
  })
})

test('a client that must stay with one endpoint may meet no second one', () => {
  expect(backendsProblem('one-endpoint', backends(0, 64), 64)).toBeUndefined()
  expect(backendsProblem('one-endpoint', backends(1, 63), 64)?.detail).toContain('pod-0 (1), pod-1 (63)')
})

test('fair shares pass, others are named with what would be fair', () => {
  expect(backendsProblem('evenly', backends(64, 60, 70, 62), 256)).toBeUndefined()
  expect(backendsProblem('evenly', backends(256, 0, 0, 0), 256)?.detail).toContain('is 22 to 113')
})

test('a Service that nobody stands behind says nothing about spreading', () => {
  for (const answeredBy of ['every-endpoint', 'one-endpoint', 'evenly'] as const)
    expect(backendsProblem(answeredBy, [], 64)?.verdict).toBe('unknown')
})

test('the fair share is between nothing and all, and narrows around its mean as connections grow', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 400 }), (endpoints, total) => {
      const { least, most } = fairShare(total, endpoints)
      expect(least).toBeGreaterThanOrEqual(0)
      expect(least).toBeLessThanOrEqual(Math.floor(total / endpoints))
      expect(most).toBeGreaterThanOrEqual(Math.ceil(total / endpoints))
      const wider = fairShare(total * 4, endpoints)
      expect(wider.least / (total * 4)).toBeGreaterThanOrEqual(least / total)
      expect(wider.most / (total * 4)).toBeLessThanOrEqual(most / total)
    }),
    { numRuns: 50 },
  )
})
