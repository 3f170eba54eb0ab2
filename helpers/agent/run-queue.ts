import { readFileSync } from 'node:fs'

/**
 * Milliseconds that the main thread of a process was ready to run and waited for a processor, since it began: the second
 * number of proc(5) schedstat. 0 where the kernel does not count it.
 */
export function waitedMs(pid: number | 'self'): number {
  try {
    const [, waitedNs] = readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')
    return Number(waitedNs ?? 0) / 1e6
  } catch {
    return 0
  }
}
