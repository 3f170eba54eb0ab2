import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { leasesDir } from '../clusters/lease.ts'
import { sleep } from '../helpers/await.ts'
import { run } from '../helpers/exec.ts'
import { line } from './stats.ts'

/**
 * What is left after the runner was killed with SIGKILL at random points of its life, and how fast a signal ends it.
 * A container with kind's label and a network of somebody else stand beside it and must stay.
 */

const kills = Number(process.argv[2] ?? 10)
/** The whole life of a warm run, so that create, checks and delete are all hit. */
const lifeMs = 42_000
const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'cni-conformance-crash-'))

const docker = async (...args: string[]): Promise<string[]> =>
  (await run(['docker', ...args])).stdout.split('\n').filter((each) => each !== '')

const start = (reports: string): ChildProcess =>
  spawn(process.execPath, [main, 'test', 'flannel', '-q', '--report-dir', join(folder, reports)], {
    stdio: 'ignore',
  })

/** Everything of ours on this machine. */
async function leftovers(): Promise<string[]> {
  const [containers, networks, leases] = await Promise.all([
    docker('ps', '-a', '--filter', 'label=io.x-k8s.kind.cluster', '--format', 'container {{.Names}}'),
    docker('network', 'ls', '--format', 'network {{.Name}}'),
    readdir(leasesDir()).catch(() => []),
  ])
  const ours = [...containers, ...networks].filter((each) => each.includes(' cnic-'))
  return [...ours, ...leases.map((each) => `lease ${each}`)]
}

async function foreignStands(): Promise<boolean> {
  const names = await docker(
    'ps',
    '-a',
    '--filter',
    'label=io.x-k8s.kind.cluster=foreign',
    '--format',
    '{{.Names}}',
  )
  return names.join() === 'foreign-control-plane'
}

/** Any image will do: the container is never started. */
const [anyImage] = await docker('image', 'ls', '-q')
await run(['docker', 'network', 'create', 'foreign'])
await run([
  'docker',
  'create',
  '--name',
  'foreign-control-plane',
  '--label',
  'io.x-k8s.kind.cluster=foreign',
  '--network',
  'foreign',
  anyImage ?? '',
  'sleep',
])
try {
  for (let turn = 0; turn < kills; turn++) {
    const atMs = Math.round(((turn + Math.random()) / kills) * lifeMs)
    const runner = start(`kill-${turn}`)
    const exited = once(runner, 'exit')
    await Promise.race([sleep(atMs), exited])
    runner.kill('SIGKILL')
    await exited
    console.error(
      `killed after ${(atMs / 1000).toFixed(1)} s: ${(await leftovers()).length} things left at that moment`,
    )
  }
  await once(start('next'), 'exit')
  const left = await leftovers()
  line(`${kills} x kill -9, then one run: left over`, left.length === 0 ? '0' : left.join(', '), '0')
  line('  foreign container and network', (await foreignStands()) ? 'untouched' : 'GONE', 'untouched')
  for (const signal of ['SIGINT', 'SIGTERM'] as const) await endBy(signal)
} finally {
  await run(['docker', 'rm', '-f', 'foreign-control-plane'], { allowFailure: true })
  await run(['docker', 'network', 'rm', 'foreign'], { allowFailure: true })
  await rm(folder, { recursive: true })
}

/** A signal while the cluster is being made: report on disk, then nothing left. */
async function endBy(signal: 'SIGINT' | 'SIGTERM'): Promise<void> {
  const runner = start(signal)
  const exited = once(runner, 'exit') as Promise<[number | null]>
  await sleep(25_000)
  const started = performance.now()
  runner.kill(signal)
  let reportMs = Number.NaN
  while (Number.isNaN(reportMs) && performance.now() - started < 30_000) {
    await sleep(20)
    const there = await access(join(folder, signal, 'junit.xml')).then(
      () => true,
      () => false,
    )
    if (there) reportMs = performance.now() - started
  }
  const [code] = await exited
  const goneMs = performance.now() - started
  line(`${signal}: report after`, `${(reportMs / 1000).toFixed(2)} s`, '<= 2 s')
  line(
    '  cluster gone after',
    `${(goneMs / 1000).toFixed(1)} s, exit code ${code}, ${(await leftovers()).length} left`,
    '<= 30 s',
  )
}
