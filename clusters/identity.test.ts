import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { livenessOf, ownIdentity, parseStat } from './identity.ts'

test('we are alive; another boot, start time, PID namespace or host is told apart', async () => {
  const own = await ownIdentity()
  expect(await livenessOf(own)).toBe('alive')
  expect(await livenessOf({ ...own, startTicks: own.startTicks - 1 })).toBe('dead')
  expect(await livenessOf({ ...own, bootId: 'another' })).toBe('dead')
  expect(await livenessOf({ ...own, pidNamespace: 'pid:[1]' })).toBe('elsewhere')
  expect(await livenessOf({ ...own, host: 'another' })).toBe('elsewhere')
})

test('a process that has ended is dead', async () => {
  const child = spawn('true')
  await once(child, 'exit')
  expect(await livenessOf({ ...(await ownIdentity()), pid: child.pid ?? 0 })).toBe('dead')
})

test('a program of any name does not shift the fields', () => {
  fc.assert(
    fc.property(fc.string(), fc.constantFrom('R', 'S', 'Z'), fc.nat(), (name, state, startTicks) => {
      const between = Array.from({ length: 18 }, (_, index) => index)
      const line = `42 (${name}) ${state} ${between.join(' ')} ${startTicks} 0 0\n`
      expect(parseStat(line)).toEqual({ state, startTicks })
    }),
  )
})

test('a line without its fields is no process', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(parseStat(text.replaceAll(')', ''))).toBeUndefined()
    }),
  )
})
