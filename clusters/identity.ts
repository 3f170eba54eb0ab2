import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'

/** Which process this is, for good: pids are reused, machines reboot, homes are shared between machines. */
export interface ProcessIdentity {
  pid: number
  /** Clock ticks from boot to the start of the process: field 22 of /proc/<pid>/stat, see proc_pid_stat(5). */
  startTicks: number
  bootId: string
  /** Pids of another PID namespace (a job container) mean nothing here. */
  pidNamespace: string
  host: string
}

/** `elsewhere`: on another machine or in another PID namespace, where we can't tell alive from dead. */
export type Liveness = 'alive' | 'dead' | 'elsewhere'

/** Our own identity. */
export async function ownIdentity(): Promise<ProcessIdentity> {
  const [stat, place] = await Promise.all([readStat(process.pid), ownPlace()])
  return { pid: process.pid, startTicks: stat?.startTicks ?? 0, ...place }
}

/** Whether the process still runs. A zombie is dead: it does nothing any more. */
export async function livenessOf(identity: ProcessIdentity): Promise<Liveness> {
  const place = await ownPlace()
  if (identity.host !== place.host) return 'elsewhere'
  if (identity.bootId !== place.bootId) return 'dead'
  if (identity.pidNamespace !== place.pidNamespace) return 'elsewhere'
  const stat = await readStat(identity.pid)
  return stat !== undefined && stat.startTicks === identity.startTicks && !'ZX'.includes(stat.state)
    ? 'alive'
    : 'dead'
}

/** Whether a process of this number runs, whoever it is: enough for what only its own process removes at other times. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it runs as somebody else.
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/**
 * Takes state and start time out of a /proc/<pid>/stat line. The second field is the program's name in brackets,
 * and a name may itself hold blanks and brackets: everything counts from the last closing one.
 */
export function parseStat(line: string): { state: string; startTicks: number } | undefined {
  const fields = line
    .slice(line.lastIndexOf(')') + 1)
    .trim()
    .split(/\s+/)
  // Field 3 of the line is the first one after the name, so field 22 is the twentieth.
  const [state, startTicks] = [fields[0], Number(fields[19])]
  if (state === undefined || !line.includes(')') || !Number.isSafeInteger(startTicks)) return undefined
  return { state, startTicks }
}

async function readStat(pid: number): Promise<ReturnType<typeof parseStat>> {
  try {
    return parseStat(await readFile(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return undefined
  }
}

async function ownPlace(): Promise<Pick<ProcessIdentity, 'bootId' | 'pidNamespace' | 'host'>> {
  const [bootId, pidNamespace] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
  ])
  return { bootId: bootId.trim(), pidNamespace, host: hostname() }
}
