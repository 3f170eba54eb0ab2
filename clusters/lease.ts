import { randomBytes } from 'node:crypto'
import { spawn } from 'node:child_process'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { SetupError, messageOf } from '../helpers/errors.ts'
import { ownModule } from '../helpers/own-module.ts'
import { livenessOf, ownIdentity } from './identity.ts'
import { withFileLock } from './images/file-lock.ts'
import { appendEntry, clusterNamePattern, readJournal } from './journal.ts'
import type { JournalEntry } from './journal.ts'

/** Our claim on one cluster: a directory with a journal, and the kubeconfig of nobody else. */
export interface Lease {
  /** Also the cluster's and its Docker network's name. */
  readonly cluster: string
  readonly dir: string
  /** Mode 0600, gone with the lease. */
  readonly kubeconfig: string
  /** For every process that makes something of the cluster: by this mark the reaper finds it. */
  readonly env: Readonly<Record<string, string>>
  /** Returns once the line is on disk. */
  record(entry: JournalEntry): Promise<void>
  /** The user keeps the cluster: it outlives us until `clean`. */
  keep(): Promise<void>
  /** Ends the lease; only after the deletion has been verified. */
  release(): Promise<void>
}

/** Environment variable that marks the processes of a lease. */
export const leaseMark = 'CNI_CONFORMANCE_LEASE'

/** Where the leases of this user are. */
export function leasesDir(): string {
  const state = process.env['XDG_STATE_HOME']
  return join(
    state?.startsWith('/') === true ? state : join(homedir(), '.local', 'state'),
    'cni-conformance',
    'leases',
  )
}

/** A fresh cluster name; short, because kind adds "-control-plane" and a host name has 64 characters. */
export function newClusterName(leg: string): string {
  const plain = leg
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 30)
  return `cnic-${plain === '' ? '' : `${plain}-`}${randomBytes(2).toString('hex')}`.replace(/-{2,}/g, '-')
}

/**
 * Opens a lease before anything of the cluster exists, and starts the reaper that ends it if we die.
 *
 * @param options.cluster a name from {@link newClusterName}
 * @param options.purpose for people who read the journal: "test flannel"
 * @throws {SetupError} when the name is taken or the directory can't be written
 */
export async function openLease(options: { cluster: string; purpose: string }): Promise<Lease> {
  const { cluster, purpose } = options
  if (!clusterNamePattern.test(cluster)) throw new Error(`"${cluster}" is no cluster name of ours`)
  const root = leasesDir()
  const dir = join(root, cluster)
  const fresh = join(root, `.new-${process.pid}-${randomBytes(4).toString('hex')}`)
  try {
    await mkdir(fresh, { recursive: true, mode: 0o700 })
    const openedAt = new Date().toISOString()
    await appendEntry(fresh, {
      type: 'owner',
      owner: await ownIdentity(),
      purpose,
      openedAt,
      docker: dockerEnv(),
    })
    // Whoever looks finds either no lease or one with an owner. A lease of the same name is not empty, so this fails.
    await rename(fresh, dir)
    await syncDirectory(root)
  } catch (cause) {
    await rm(fresh, { recursive: true, force: true })
    throw leaseRefused(cluster, dir, cause)
  }
  startReaper(root)
  return leaseOf(cluster, dir)
}

/**
 * Takes over the lease of a cluster that was kept, for a run of our own on it. It stays kept until that run ends it: also
 * when we die.
 *
 * @throws {SetupError} when a run holds it, or there is none
 */
export async function adoptLease(cluster: string, purpose: string): Promise<Lease> {
  const root = leasesDir()
  const dir = join(root, cluster)
  const refused = (what: string, seen: string): SetupError =>
    new SetupError({ what: `cluster ${cluster} ${what}`, seen, next: 'name another, or leave out --on' })
  await withFileLock(join(dir, 'adoption.lock'), async () => {
    const { owner, kept } = await readJournal(dir)
    if (owner === undefined || !kept) throw refused('was not kept', dir)
    const liveness = await livenessOf(owner.owner)
    if (liveness !== 'dead')
      throw refused(
        'is taken by another run',
        `process ${owner.owner.pid} on ${owner.owner.host}, since ${owner.openedAt}`,
      )
    const openedAt = new Date().toISOString()
    // Its containers are where they were made, wherever our Docker client points.
    await appendEntry(dir, { ...owner, owner: await ownIdentity(), purpose, openedAt })
  })
  startReaper(root)
  return leaseOf(cluster, dir)
}

function leaseOf(cluster: string, dir: string): Lease {
  return {
    cluster,
    dir,
    kubeconfig: join(dir, 'kubeconfig'),
    env: { [leaseMark]: cluster },
    record: (entry) => appendEntry(dir, entry),
    keep: () => appendEntry(dir, { type: 'keep' }),
    release: () => rm(dir, { recursive: true, force: true }),
  }
}

function leaseRefused(cluster: string, dir: string, cause: unknown): SetupError {
  const taken =
    cause instanceof Error && 'code' in cause && (cause.code === 'ENOTEMPTY' || cause.code === 'EEXIST')
  return new SetupError({
    what: taken
      ? `the cluster name ${cluster} is taken by another run`
      : `could not write the lease of ${cluster}`,
    seen: taken ? dir : messageOf(cause),
    next: taken
      ? 'use another name, or `cni-conformance clean`'
      : `make ${dir} writable, or set XDG_STATE_HOME`,
    cause,
  })
}

/** What decides where a Docker client looks. */
export const dockerVariables = [
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_TLS_VERIFY',
  'DOCKER_CERT_PATH',
  'DOCKER_CONFIG',
] as const

/** Containers live where the Docker client of this moment points; a later sweep must look there. */
function dockerEnv(): Record<string, string> {
  return Object.fromEntries(
    dockerVariables.flatMap((name) => {
      const value = process.env[name]
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

let reaperStarted = false

/**
 * One reaper per process, in a session of its own, at the other end of a pipe: when we die in whatever way, the
 * kernel closes our end. Its environment is bare, so that a CI runner that ends every process of a finished job,
 * found by its variables (GitHub: RUNNER_TRACKING_ID, Jenkins: BUILD_ID), lets it do the few seconds of work.
 */
function startReaper(root: string): void {
  if (reaperStarted) return
  reaperStarted = true
  const names = ['PATH', 'HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR', 'SSH_AUTH_SOCK']
  const env = Object.fromEntries(names.map((name) => [name, process.env[name]]))
  const child = spawn(process.execPath, [ownModule('reaper', import.meta.url), root, String(process.pid)], {
    cwd: '/',
    env: { ...env, ...dockerEnv() },
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Without a reaper the next run's sweep does its work.
  child.once('error', () => undefined)
  child.stdin.once('error', () => undefined)
  child.unref()
  // A pipe is a net.Socket here; it must not keep us alive.
  ;(child.stdin as unknown as { unref(): void }).unref()
}
