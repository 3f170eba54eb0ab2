import { readFile, readdir, statfs } from 'node:fs/promises'
import { availableParallelism, freemem, release, totalmem } from 'node:os'
import { dirname } from 'node:path'
import { budgets } from '../../helpers/budgets.ts'
import { run } from '../../helpers/exec.ts'

/** What this machine is and has. Read from files where possible; nothing is changed. */
export interface HostFacts {
  /** From /etc/os-release; `id` is "debian", `like` its relatives. */
  os: { id: string; version: string; name: string; like: readonly string[] }
  /** Node.js spelling: "x64", "arm64". */
  arch: string
  kernel: string
  cpus: number
  memoryTotalMiB: number
  memoryAvailableMiB: number
  cgroupVersion: 1 | 2 | undefined
  /** Whether CAP_SYS_RESOURCE is in our bounding set; without it runc needs the shim. */
  capSysResource: boolean
  root: boolean
  /** Whether systemd manages services here. */
  systemd: boolean
  /** Undefined off Linux. */
  inotify: InotifyLimits | undefined
  go: string | undefined
  node: string
}

/** Limits per user, shared by all nodes of all clusters: every kubelet, kube-proxy and systemd takes instances. */
export interface InotifyLimits {
  maxUserInstances: number
  maxUserWatches: number
}

/** Bit of CAP_SYS_RESOURCE in a capability mask; include/uapi/linux/capability.h. */
const capSysResourceBit = 24n

/** Magic number that statfs reports for a cgroup v2 mount; include/uapi/linux/magic.h. */
const cgroup2Magic = 0x63677270

/** Reads the facts; about 20 ms, most of it `go version`. Never throws: what can't be read is absent. */
export async function readHostFacts(): Promise<HostFacts> {
  const [os, memory, cgroupVersion, status, systemd, inotify, go] = await Promise.all([
    readOs(),
    readMemory(),
    readCgroupVersion(),
    readText('/proc/self/status'),
    isDirectory('/run/systemd/system'),
    readInotify(),
    toolVersion(['go', 'version'], /go(\d+\.\d+(?:\.\d+)?)/),
  ])
  return {
    os,
    arch: process.arch,
    kernel: release(),
    cpus: availableParallelism(),
    ...memory,
    cgroupVersion,
    // Off Linux the capability question doesn't arise: Docker runs in a machine of its own.
    capSysResource: status === undefined || hasSysResource(status),
    root: process.getuid?.() === 0,
    systemd,
    inotify,
    go,
    node: process.versions.node,
  }
}

/** Whether a /proc/<pid>/status text has CAP_SYS_RESOURCE in its bounding set. */
export function hasSysResource(status: string): boolean {
  const mask = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1]
  return mask === undefined || ((BigInt(`0x${mask}`) >> capSysResourceBit) & 1n) === 1n
}

/** Free space for us on the file system that holds `path`, or its nearest existing parent. */
export async function diskFreeMiB(path: string): Promise<number> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = await statfs(at)
      return Math.floor((bavail * bsize) / 2 ** 20)
    } catch (error) {
      if (at === dirname(at)) throw error
    }
  }
}

/** The present inotify limits; undefined where there are none to read. */
async function readInotify(): Promise<InotifyLimits | undefined> {
  const [instances, watches] = await Promise.all(
    ['instances', 'watches'].map((name) => readText(`/proc/sys/fs/inotify/max_user_${name}`)),
  )
  if (instances === undefined || watches === undefined) return undefined
  return { maxUserInstances: Number(instances), maxUserWatches: Number(watches) }
}

/** The version that a tool prints, matched by the first group of `pattern`; undefined when it is not there. */
export async function toolVersion(argv: readonly string[], pattern: RegExp): Promise<string | undefined> {
  try {
    const { stdout } = await run(argv, { timeoutMs: budgets.toolVersionMs.ms })
    return pattern.exec(stdout)?.[1]
  } catch {
    return undefined
  }
}

/** The text of a file, or undefined when it can't be read. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return undefined
  }
}

async function readOs(): Promise<HostFacts['os']> {
  const text = (await readText('/etc/os-release')) ?? ''
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? ''
  return {
    id: field('ID') || process.platform,
    version: field('VERSION_ID'),
    name: field('PRETTY_NAME') || process.platform,
    like: field('ID_LIKE').split(' ').filter(Boolean),
  }
}

async function readMemory(): Promise<{ memoryTotalMiB: number; memoryAvailableMiB: number }> {
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec((await readText('/proc/meminfo')) ?? '')?.[1]
  return {
    memoryTotalMiB: Math.floor(totalmem() / 2 ** 20),
    memoryAvailableMiB: Math.floor(available === undefined ? freemem() / 2 ** 20 : Number(available) / 1024),
  }
}

async function readCgroupVersion(): Promise<1 | 2 | undefined> {
  try {
    return (await statfs('/sys/fs/cgroup')).type === cgroup2Magic ? 2 : 1
  } catch {
    return undefined
  }
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    await readdir(path)
    return true
  } catch {
    return false
  }
}
