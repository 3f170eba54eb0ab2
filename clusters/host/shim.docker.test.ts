import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { run } from '../../helpers/exec.ts'
import { ensureShim } from './shim.ts'

/** Needs Go, not Docker; it is here because it compiles. */
let dir = ''
let shim = ''

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cnic-shim-'))
  shim = await ensureShim(join(dir, 'cache'))
  await mkdir(join(dir, 'bin'))
  await mkdir(join(dir, 'bundle'))
  // A runc that says how it was called, behind the shim under the same name.
  await writeFile(join(dir, 'bin', 'runc'), '#!/bin/sh\necho "$@"\n')
  await chmod(join(dir, 'bin', 'runc'), 0o755)
})
afterAll(async () => {
  await rm(dir, { recursive: true })
})

const spec = {
  capabilities: { bounding: ['CAP_CHOWN', 'CAP_SYS_RESOURCE'], effective: ['CAP_SYS_RESOURCE'], ambient: [] },
  oomScoreAdj: -998,
  rlimits: [
    { type: 'RLIMIT_NOFILE', hard: 'HUGE', soft: 10 },
    { type: 'RLIMIT_CORE', hard: 0, soft: 0 },
  ],
  args: ['/bin/sh', '-c', 'a < b && c'],
}

/** As runc would be called. */
async function runc(...args: string[]): Promise<string> {
  const { stdout } = await run([shim, ...args], {
    env: { PATH: `${join(dir, 'bin')}:/usr/bin:/bin` },
    cwd: join(dir, 'bundle'),
  })
  return stdout.trim()
}

/** JSON with numbers that JavaScript can't hold. */
const json = (value: unknown): string => JSON.stringify(value).replaceAll('"HUGE"', '18446744073709551615')

async function written(path: string): Promise<Record<string, never>> {
  return JSON.parse(await readFile(path, 'utf8')) as Record<string, never>
}

test.each([
  ['create', ['--root', '/run/x', '--log-format', 'json', 'create', '--bundle', 'BUNDLE', 'id']],
  ['run', ['--debug', 'run', '-b', 'BUNDLE', 'id']],
  ['create in the present folder', ['create', 'id']],
  ['create with =', ['--log=/x', 'create', '--bundle=BUNDLE', 'id']],
])('%s asks only for what can be granted, and passes all else on', async (_, args) => {
  const config = join(dir, 'bundle', 'config.json')
  await writeFile(config, json({ process: spec, linux: { devices: [{ major: 'HUGE' }] } }))
  const called = args.map((arg) => arg.replace('BUNDLE', join(dir, 'bundle')))
  expect(await runc(...called)).toBe(called.join(' '))
  const { process: found } = await written(config)
  expect(found).toMatchObject({
    capabilities: { bounding: ['CAP_CHOWN'], effective: [], ambient: [] },
    args: spec.args,
  })
  expect(found).not.toHaveProperty('oomScoreAdj')
  expect(await readFile(config, 'utf8')).toContain('"major":18446744073709551615')
})

test('exec edits the file behind --process, whose limits come down to ours', async () => {
  const file = join(dir, 'process.json')
  await writeFile(file, json(spec))
  await chmod(file, 0o640)
  const call = ['exec', '--process', file, '--detach', 'id']
  // 4096 is what this process may have; the shim inherits it.
  await run(['bash', '-c', 'ulimit -n 4096; exec "$@"', 'bash', shim, ...call], {
    env: { PATH: `${join(dir, 'bin')}:/usr/bin:/bin` },
  })
  const found = await written(file)
  expect(found).toMatchObject({
    rlimits: [
      { hard: 4096, soft: 10 },
      { hard: 0, soft: 0 },
    ],
  })
  expect((await stat(file)).mode & 0o777).toBe(0o640)
})

test('a score above zero stays; other commands touch nothing; a broken file is for runc to refuse', async () => {
  const config = join(dir, 'bundle', 'config.json')
  await writeFile(config, json({ process: { oomScoreAdj: 1000 } }))
  await runc('create', 'id')
  expect(await written(config)).toEqual({ process: { oomScoreAdj: 1000 } })
  await writeFile(config, '{"process":')
  expect(await runc('create', 'id')).toBe('create id')
  expect(await runc('state', 'id')).toBe('state id')
  expect(await runc('--version')).toBe('--version')
})

test('under the name of runc and first in PATH it finds the other one', async () => {
  await symlink(shim, join(dir, 'bundle', 'runc'))
  const path = `${join(dir, 'bundle')}:${join(dir, 'bin')}`
  const { stdout } = await run(['runc', 'state', 'id'], { env: { PATH: `${path}:/usr/bin:/bin` } })
  expect(stdout.trim()).toBe('state id')
})

test('it is built once per content', async () => {
  const before = await stat(shim)
  expect(await ensureShim(join(dir, 'cache'))).toBe(shim)
  expect((await stat(shim)).mtimeMs).toBe(before.mtimeMs)
})
