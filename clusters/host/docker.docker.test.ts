import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentProgress } from '../../helpers/progress.ts'
import { ensureDocker } from './docker.ts'
import { lookAtDocker } from './docker-look.ts'
import { diagnoseHost } from './doctor.ts'

const { env } = process
/** Whatever goes wrong here, nothing is ever installed: the answer is no. */
const options = {
  install: true,
  cacheDir: join(tmpdir(), 'cnic-docker-test'),
  progress: silentProgress,
  ask: () => Promise.resolve(false),
}

beforeEach(() => {
  process.env = { ...env }
})
afterEach(() => {
  process.env = env
})

test('a Docker that works is taken as it is, quickly', async () => {
  const docker = await ensureDocker(options)
  expect(docker.version).toMatch(/^\d+\./)
  expect(docker.cpus).toBeGreaterThan(0)
  expect([1, 2]).toContain(docker.cgroupVersion)
})

test('a Docker host that nobody serves is named, and nothing is installed instead', async () => {
  process.env['DOCKER_HOST'] = 'tcp://127.0.0.1:1'
  await expect(ensureDocker(options)).rejects.toThrow(
    /Docker at tcp:\/\/127.0.0.1:1 does not answer[^]*next: [^]*DOCKER_HOST/,
  )
})

test('a context that nobody knows is named', async () => {
  process.env['DOCKER_CONTEXT'] = 'nowhere'
  await expect(ensureDocker(options)).rejects.toThrow(/nowhere[^]*DOCKER_CONTEXT/)
})

test('a Docker host that accepts and never answers costs its budget', async () => {
  const server = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.env['DOCKER_HOST'] = `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`
  expect(await lookAtDocker(1_000)).toMatchObject({
    state: 'hangs',
    seen: 'no answer to `docker info` within 1 s',
  })
  server.close()
})

test('without a Docker client and without permission the commands are named', async () => {
  process.env['PATH'] = '/nonexistent'
  expect(await lookAtDocker()).toMatchObject({ state: 'no-client' })
  await expect(ensureDocker({ ...options, install: false })).rejects.toThrow(
    /Docker is not installed[^]*next: /,
  )
})

test('every gap that the doctor finds has a price and a cure, and every id is named once', async () => {
  const items = await diagnoseHost()
  expect(new Set(items.map(({ id }) => id)).size).toBe(items.length)
  for (const { status, found, cost, mend } of items) {
    expect(found).not.toBe('')
    expect([cost === undefined, mend === undefined]).toEqual(status === 'ok' ? [true, true] : [false, false])
  }
})

test('the doctor finds a Docker that is gone', async () => {
  process.env['DOCKER_HOST'] = 'tcp://127.0.0.1:1'
  expect(await diagnoseHost()).toContainEqual(expect.objectContaining({ id: 'docker', status: 'missing' }))
})
