import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listLeases } from '../clusters/sweep.ts'
import { run } from '../helpers/exec.ts'
import { readRun } from '../reports/model.ts'

/**
 * A machine that cannot make the cluster: exit code 3, one message with the next step, every report written, nothing
 * left behind. The faults are real ones of this machine; the tests of preflight, Docker and kind have the others.
 */

const door = fileURLToPath(new URL('cni-conformance.mjs', import.meta.url))

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cni-conformance-setup-'))
  await writeFile(join(folder, 'file'), '')
  await writeFile(join(folder, 'huge.yaml'), hugeCluster)
  await mkdir(join(folder, 'archive'))
  await writeFile(join(folder, 'archive', 'kubernetes-v1.37.0-flannel-v0.28.9.json'), '{"kubernetes": "v1')
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** More nodes than any machine of ours holds. */
const hugeCluster = `apiVersion: cni-conformance/v1
name: huge
kubernetes: v1.37.0
nodes: { workers: 250 }
cni: { name: flannel, version: v0.28.9 }
`

interface Case {
  name: string
  argv: readonly string[]
  env?: () => Record<string, string>
  says: RegExp
}

const cases: readonly Case[] = [
  {
    name: 'Docker cannot be reached',
    argv: ['flannel'],
    env: () => ({ DOCKER_HOST: 'tcp://127.0.0.1:1' }),
    says: /Docker at tcp:\/\/127\.0\.0\.1:1 does not answer[^]*next: .*DOCKER_HOST/,
  },
  {
    name: 'no memory for the cluster, and inotify limits too low: both in one message',
    argv: ['./huge.yaml', '--no-install'],
    says: /not enough memory for 251 nodes; .*fs\.inotify\.max_user_instances is too low for 251 nodes[^]*next: .*sysctl -w fs\.inotify/,
  },
  {
    name: 'the image cache cannot be used',
    argv: ['flannel'],
    env: () => ({ XDG_CACHE_HOME: join(folder, 'file') }),
    says: /cache[^]*next: /,
  },
  {
    name: 'the image archive is broken',
    argv: ['flannel', '--images', 'archive:./archive'],
    says: /archive[^]*next: /,
  },
]

test.each(cases)('$name', async ({ argv, env, says }) => {
  const before = await traces()
  const reports = await mkdtemp(join(folder, 'reports-'))
  const child = spawn(process.execPath, [door, 'test', ...argv, '--report-dir', reports, '-q'], {
    cwd: folder,
    env: { ...process.env, ...env?.() },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, , [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  expect(exitCode, stdout).toBe(3)
  expect(stdout).toMatch(says)
  const found = await readRun(join(reports, 'run.json'))
  expect(found.verdict.exitCode).toBe(3)
  expect(found.legs[0]?.setupFailure?.next).not.toBe('')
  expect(new Set(found.legs[0]?.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['not-run']))
  expect(await readFile(join(reports, 'junit.xml'), 'utf8')).toContain('<error ')
  expect(await readFile(join(reports, 'summary.md'), 'utf8')).toContain('no verdict')
  expect(await traces()).toEqual(before)
})

/** What a run could leave: containers, networks, leases. */
async function traces(): Promise<string[]> {
  const [containers, networks, leases] = await Promise.all([
    run(['docker', 'ps', '--all', '--quiet']),
    run(['docker', 'network', 'ls', '--quiet']),
    listLeases(),
  ])
  return [containers.stdout, networks.stdout, JSON.stringify(leases)]
}

test('a full disk under the reports is one clear message, and nothing is created', async () => {
  const disk = await mkdtemp(join(folder, 'disk-'))
  await run(['mount', '-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', disk])
  try {
    const before = await traces()
    const answer = await run([process.execPath, door, 'test', 'flannel', '--report-dir', disk, '-q'], {
      cwd: folder,
      allowFailure: true,
    })
    expect(answer.exitCode).toBe(3)
    expect(answer.stderr).toMatch(/cannot be written[^]*no space left[^]*next: free some space/)
    expect(await traces()).toEqual(before)
  } finally {
    await run(['umount', disk])
  }
})
