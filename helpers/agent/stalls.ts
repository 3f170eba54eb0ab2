import { waitedMs } from './run-queue.ts'

/**
 * How long this process could not run: starved by its neighbours, throttled by its cgroup, busy with itself. A time
 * limit that ran down meanwhile says nothing about the network.
 */

const tickMs = 25

let stalled = 0
let lastMs = performance.now()
let lastWaitedMs = waitedMs('self')

/** Two looks within this time see the same: 2,000 probes that open at once are one look, and not 2,000 files that are read. */
const sameMs = 1

/** Starts the clock; it does not keep the process alive. */
export function watchStalls(): void {
  lastMs = performance.now()
  lastWaitedMs = waitedMs('self')
  setInterval(look, tickMs).unref()
}

/** Milliseconds of all stalls since the clock was started. */
export function stalledMs(): number {
  look()
  return stalled
}

/**
 * Everything beyond two ticks since the last look is a stall; so is what the kernel has counted: among many neighbours a
 * process runs often, and never for long.
 */
function look(): void {
  const nowMs = performance.now()
  if (nowMs - lastMs < sameMs) return
  const nowWaitedMs = waitedMs('self')
  stalled += Math.max(0, nowMs - lastMs - 2 * tickMs, nowWaitedMs - lastWaitedMs)
  lastMs = nowMs
  lastWaitedMs = nowWaitedMs
}
