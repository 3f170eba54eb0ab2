import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isRunning } from '../clusters/identity.ts'
import { readRun } from '../reports/model.ts'
import { slowDocker } from './testing/slow-docker.ts'

/** The real commands, ended from outside while they wait for Docker. */

const main = fileURLToPath(new URL('main.ts', import.meta.url))
const matrixStandIn = fileURLToPath(new URL('testing/matrix.ts', import.meta.url))

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cnic-killed-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

async function start(dockerTakesSeconds: number, ...argv: string[]): Promise<ChildProcess> {
  const env = { ...process.env, ...(await slowDocker(folder, dockerTakesSeconds)) }
  return spawn(process.execPath, argv, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Until a journal says that a phase has begun. */
async function begun(report: string, phase: string): Promise<void> {
  await expect
    .poll(() => readFile(join(folder, report, 'events.jsonl'), 'utf8').catch(() => ''), { timeout: 20_000 })
    .toContain(`"type":"phase-started","leg":"flannel","name":"${phase}"`)
}

const images = ['--no-install', '--images=archive:nowhere']

test('a matrix that is killed leaves no leg: each writes its report and ends', async () => {
  const leg = ['test', 'flannel', '--report-dir=leg', ...images]
  const matrix = await start(1, matrixStandIn, join(folder, 'leg'), ...leg)
  const [said] = (await once(matrix.stdout ?? process.stdin, 'data')) as [Buffer]
  const pid = Number(said.toString())
  await begun('leg', 'host')
  expect(isRunning(pid)).toBe(true)
  matrix.kill('SIGKILL')
  await expect.poll(() => isRunning(pid), { timeout: 20_000 }).toBe(false)
  const run = await readRun(join(folder, 'leg', 'run.json'))
  expect(run.legs.map(({ abortedBy }) => abortedBy)).toEqual(['SIGTERM'])
  expect(run.verdict.exitCode).toBe(143)
})

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('a matrix that is ended by %s has a report of every leg', async (signal, code) => {
  const matrix = await start(1, main, 'matrix', 'flannel', 'calico', `--report-dir=${signal}`, ...images)
  await begun(signal, 'host')
  matrix.kill(signal)
  expect(await once(matrix, 'exit')).toEqual([code, null])
  const run = await readRun(join(folder, signal, 'run.json'))
  expect(run.legs.map(({ cluster, abortedBy }) => [cluster.name, abortedBy])).toEqual([
    ['flannel', signal],
    ['calico', signal],
  ])
  expect(run.verdict.exitCode).toBe(code)
})

test.each(['test', 'matrix'])('%s says what it removed of dead runs', async (command) => {
  const lease = join(folder, 'state', 'cni-conformance', 'leases', 'cnic-dead-1a2b')
  await mkdir(lease, { recursive: true })
  const owner = { pid: 1, startTicks: 1, bootId: 'an earlier one', pidNamespace: '', host: hostname() }
  await writeFile(
    join(lease, 'journal.jsonl'),
    `${JSON.stringify({ type: 'owner', owner, purpose: 'a test', openedAt: '', docker: {} })}\n`,
  )
  const argv = ['flannel', `--report-dir=swept-${command}`, '--no-install', '--images=archive:nowhere']
  const child = await start(0, main, command, ...argv)
  const [stderr] = await Promise.all([text(child.stderr ?? process.stdin), once(child, 'exit')])
  expect(stderr).toContain('removed what dead runs left: cnic-dead-1a2b\n')
})
