import { readdir, readlink, writeFile } from 'node:fs/promises'
import type { InotifyLimits } from './facts.ts'

/**
 * Instances that one node takes of the limit that all nodes share, because they all run as the same user. Counted on
 * a running cluster: kubelet 7, systemd 4, containerd 2, kube-proxy 1; the rest is for the CNI and a restart. With
 * 9 nodes and a limit of 128, kube-proxy and flanneld crash while everything else looks well.
 */
const instancesPerNode = 16

/** The control plane on top of a node: kube-controller-manager 7, kube-apiserver 6. */
const instancesOfControlPlane = 14

/** What we raise the limit to at least; kind's own advice is 512, and an instance costs nothing until it is used. */
const comfortable = 1_024

/** Watches per node; kind advises 524288 in all, and the kernel's own default rises with memory. */
const watchesPerNode = 8_192

const folder = '/proc/sys/fs/inotify'

/** A limit that is too low for the nodes. */
export interface InotifyShortage {
  sysctl: 'fs.inotify.max_user_instances' | 'fs.inotify.max_user_watches'
  has: number
  needs: number
  /** What to raise it to. */
  wanted: number
}

/**
 * Which limits are too low.
 *
 * @param inUse instances that are taken already
 */
export function inotifyShortages(limits: InotifyLimits, nodes: number, inUse: number): InotifyShortage[] {
  const instances = inUse + nodes * instancesPerNode + instancesOfControlPlane
  const watches = nodes * watchesPerNode
  const all: InotifyShortage[] = [
    {
      sysctl: 'fs.inotify.max_user_instances',
      has: limits.maxUserInstances,
      needs: instances,
      wanted: Math.max(comfortable, instances),
    },
    {
      sysctl: 'fs.inotify.max_user_watches',
      has: limits.maxUserWatches,
      needs: watches,
      wanted: watches * 4,
    },
  ]
  return all.filter(({ has, needs }) => has < needs)
}

/** Raises a limit until the next boot. */
export async function raiseInotify({ sysctl, wanted }: InotifyShortage): Promise<void> {
  await writeFile(`${folder}/${sysctl.slice('fs.inotify.'.length)}`, String(wanted))
}

/** Inotify instances that processes hold now, as far as we may see; about 30 ms. */
export async function inotifyInUse(): Promise<number> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const counts = await Promise.all(
    pids.map(async (pid) => {
      const fds = await readdir(`/proc/${pid}/fd`).catch(() => [])
      const links = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))
      return links.filter((link) => link === 'anon_inode:inotify').length
    }),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}
