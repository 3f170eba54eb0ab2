import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { messageOf } from '../helpers/errors.ts'
import { isRunning, livenessOf } from './identity.ts'
import type { Liveness } from './identity.ts'
import { appendEntry, readJournal } from './journal.ts'
import type { JournalState } from './journal.ts'
import { dockerVariables, leasesDir } from './lease.ts'
import { tearDown } from './teardown.ts'

/** One lease on disk. */
export interface LeaseOnDisk {
  cluster: string
  dir: string
  journal: JournalState
  owner: Liveness
}

/** What {@link sweep} or {@link clean} did. */
export interface SweepResult {
  /** Clusters that are gone now. */
  removed: string[]
  /** Clusters that a user kept and that `clean` would delete. */
  kept: string[]
  /** Clusters that could not be deleted, and why. */
  left: { cluster: string; why: string }[]
}

/** All leases of this user, in order of name. */
export async function listLeases(root: string = leasesDir()): Promise<LeaseOnDisk[]> {
  const names = (await readdir(root).catch(() => [])).filter((name) => !name.startsWith('.')).toSorted()
  return await Promise.all(
    names.map(async (cluster) => {
      const dir = join(root, cluster)
      const journal = await readJournal(dir)
      // A lease gets its name together with its owner's line; without one it is damaged and nobody's.
      return {
        cluster,
        dir,
        journal,
        owner: journal.owner === undefined ? 'dead' : await livenessOf(journal.owner.owner),
      }
    }),
  )
}

/** Deletes what dead runs have left; kept clusters and those of living runs stay. For the start of every run. */
export async function sweep(
  options: { root?: string; onSeen?: (seen: string) => void } = {},
): Promise<SweepResult> {
  await removeHalfMade(options.root ?? leasesDir())
  return await end(
    await listLeases(options.root),
    (lease) => lease.owner === 'dead' && !lease.journal.kept,
    options.onSeen,
  )
}

/**
 * Deletes by hand: what dead runs have left and what was kept.
 *
 * @param options.all clusters of living runs, and of runs on other machines, too
 */
export async function clean(options: {
  all: boolean
  root?: string
  onSeen?: (seen: string) => void
}): Promise<SweepResult> {
  await removeHalfMade(options.root ?? leasesDir())
  const ours = (lease: LeaseOnDisk): boolean => options.all || lease.owner === 'dead'
  return await end(await listLeases(options.root), ours, options.onSeen)
}

/** Deletes the clusters of these leases, side by side, and ends the leases. */
export async function end(
  leases: readonly LeaseOnDisk[],
  wanted: (lease: LeaseOnDisk) => boolean,
  onSeen?: (seen: string) => void,
): Promise<SweepResult> {
  const result: SweepResult = { removed: [], kept: [], left: [] }
  await Promise.all(
    leases.map(async (lease) => {
      if (!wanted(lease)) {
        if (lease.journal.kept) result.kept.push(lease.cluster)
        return
      }
      const why = await endLease(lease, onSeen)
      if (why === undefined) result.removed.push(lease.cluster)
      else result.left.push({ cluster: lease.cluster, why })
    }),
  )
  return result
}

async function endLease(lease: LeaseOnDisk, onSeen?: (seen: string) => void): Promise<string | undefined> {
  const { owner, clusters, settled } = lease.journal
  try {
    // The containers are where the owner's Docker client pointed, whatever ours points to.
    const env = Object.fromEntries(dockerVariables.map((name) => [name, owner?.docker[name]]))
    const options = { settled, env, ...(onSeen === undefined ? {} : { onSeen }) }
    for (const cluster of clusters) await tearDown(cluster, options)
    await rm(lease.dir, { recursive: true, force: true })
    return undefined
  } catch (error) {
    const why = messageOf(error)
    await appendEntry(lease.dir, { type: 'left', why }).catch(() => undefined)
    return why
  }
}

/** Directories that a process left between making and naming its lease; nothing else existed then. */
async function removeHalfMade(root: string): Promise<void> {
  const names = await readdir(root).catch(() => [])
  for (const name of names) {
    const pid = /^\.new-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isRunning(Number(pid)))
      await rm(join(root, name), { recursive: true, force: true })
  }
}
