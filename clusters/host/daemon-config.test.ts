import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { configureShimRuntime, shimRuntime, withShimRuntime } from './daemon-config.ts'
import { hasSysResource } from './facts.ts'

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cnic-daemon-'))
})
afterEach(async () => {
  await rm(dir, { recursive: true })
})

test("the shim is added and nothing of a user's is lost, once or twice", () => {
  const configs = fc.dictionary(
    fc.string().filter((key) => !['runtimes', 'default-runtime', '__proto__'].includes(key)),
    fc.jsonValue(),
  )
  const runtimes = fc.option(
    fc.dictionary(
      fc.string().filter((key) => key !== '__proto__'),
      fc.record({ path: fc.string() }),
    ),
    { nil: undefined },
  )
  fc.assert(
    fc.property(configs, runtimes, (config, theirs) => {
      const before = theirs === undefined ? config : { ...config, runtimes: theirs }
      const after = withShimRuntime(before, '/shim')
      expect(after).toMatchObject({ ...config, 'default-runtime': shimRuntime })
      expect(after['runtimes']).toEqual({ ...theirs, [shimRuntime]: { path: '/shim' } })
      expect(withShimRuntime(after, '/shim')).toEqual(after)
    }),
  )
})

test("a default runtime of the user's own choice stays", () => {
  expect(withShimRuntime({ 'default-runtime': 'kata' }, '/shim')).toMatchObject({ 'default-runtime': 'kata' })
  expect(withShimRuntime({ 'default-runtime': 'runc' }, '/shim')).toMatchObject({
    'default-runtime': shimRuntime,
  })
})

test('the former file is kept beside the new one; no change, no writing', async () => {
  const path = join(dir, 'daemon.json')
  await writeFile(path, '{ "mtu": 1400 }')
  expect(await configureShimRuntime('/shim', path)).toBe(true)
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({
    mtu: 1400,
    'default-runtime': shimRuntime,
  })
  expect(await readFile(`${path}.before-cni-conformance`, 'utf8')).toBe('{ "mtu": 1400 }')
  expect(await configureShimRuntime('/shim', path)).toBe(false)
})

test.each(['{', '[]', '"text"', 'null'])('a file that holds %j is left alone and named', async (text) => {
  const path = join(dir, 'daemon.json')
  await writeFile(path, text)
  await expect(configureShimRuntime('/shim', path)).rejects.toThrow(`${path} can't be read`)
  expect(await readFile(path, 'utf8')).toBe(text)
  expect(await readdir(dir)).toEqual(['daemon.json'])
})

test('the capability is read from the bounding set', () => {
  expect(hasSysResource('CapEff:\t000001ffffffffff\nCapBnd:\t000001fffeffffff\n')).toBe(false)
  expect(hasSysResource('CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n')).toBe(true)
  expect(hasSysResource('')).toBe(true)
})
