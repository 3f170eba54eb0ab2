import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
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
  what: RegExp
  next: RegExp
}

const cases: readonly Case[] = [
  {
    name: 'Docker cannot be reached',
    argv: ['flannel'],
    env: () => ({ DOCKER_HOST: 'tcp://127.0.0.1:1' }),
    what: /^Docker at tcp:\/\/127\.0\.0\.1:1 does not answer$/,
    next: /unset DOCKER_HOST/,
  },
  {
    name: 'no memory, no disk, and inotify limits too low: all in one message',
    argv: ['./huge.yaml', '--no-install'],
    what: /not enough memory for 251 nodes; .*disk.*; fs\.inotify\.max_user_instances is too low for 251 nodes/,
    next: /declare fewer workers.*docker system df.*sysctl -w fs\.inotify\.max_user_instances=/,
  },
  {
    name: 'the image cache cannot be used',
    argv: ['flannel'],
    env: () => ({ XDG_CACHE_HOME: join(folder, 'file') }),
    what: /cache/,
    next: /XDG_CACHE_HOME/,
  },
  {
    name: 'the image archive is broken',
    argv: ['flannel', '--images', 'archive:./archive'],
    what: /kubernetes-v1\.37\.0-flannel-v0\.28\.9\.json is damaged/,
    next: /write the archive again/,
  },
]

test.each(cases)('$name', async ({ argv, env, what, next }) => {
  const state = await mkdtemp(join(folder, 'state-'))
  const reports = await mkdtemp(join(folder, 'reports-'))
  const child = spawn(process.execPath, [door, 'test', ...argv, '--report-dir', reports, '-q'], {
    cwd: folder,
    env: { ...process.env, XDG_STATE_HOME: state, ...env?.() },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, , [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  expect({ exitCode, stdout }).toMatchObject({ exitCode: 3 })
  const found = await readRun(join(reports, 'run.json'))
  expect(found.verdict.exitCode).toBe(3)
  expect(found.legs[0]?.setupFailure?.what).toMatch(what)
  expect(found.legs[0]?.setupFailure?.next).toMatch(next)
  expect(new Set(found.legs[0]?.outcomes.map(({ outcome }) => outcome))).toEqual(new Set(['not-run']))
  expect(await readFile(join(reports, 'junit.xml'), 'utf8')).toContain('<error ')
  expect(await readFile(join(reports, 'summary.md'), 'utf8')).toContain('no verdict')
  expect(await leasesIn(state)).toEqual([])
})

/** A lease is there before anything of its cluster, and goes when all of it is gone. */
const leasesIn = (state: string): Promise<string[]> =>
  readdir(join(state, 'cni-conformance', 'leases')).catch(() => [])

test('a full disk under the reports is one clear message, and nothing is created', async () => {
  const disk = await mkdtemp(join(folder, 'disk-'))
  await run(['mount', '-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', disk])
  try {
    const state = await mkdtemp(join(folder, 'state-'))
    const answer = await run([process.execPath, door, 'test', 'flannel', '--report-dir', disk, '-q'], {
      cwd: folder,
      env: { XDG_STATE_HOME: state },
      allowFailure: true,
    })
    expect(answer.exitCode).toBe(3)
    expect(answer.stderr).toMatch(/cannot be written[^]*no space left[^]*next: free some space/)
    expect(await leasesIn(state)).toEqual([])
  } finally {
    await run(['umount', disk])
  }
})
