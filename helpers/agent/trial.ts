import { setTimeout as setTimer } from 'node:timers'
import type { WireEnd, WireResult } from './protocol.ts'
import { isPortTaken, portTries } from './source-ports.ts'
import { stalledMs } from './stalls.ts'

/** What a finished trial says of its probe. */
export type Ending = Omit<WireResult, 'id'>

/** What an ending may carry beside its kind. */
export type Found = Partial<Omit<Ending, 'end' | 'attempts' | 'phase'>>

/**
 * Codes after which the kernel or a router has said that there is no way: routes that are missing, unreachable or
 * blackholes (EINVAL), ICMP of the unreachable family, and EPERM, which is what a local packet filter and Cilium's
 * socket programs give to a sender. EACCES (a prohibit route, but also a seccomp rule or a low port) proves nothing.
 */
const unreachableCodes = new Set(
  'ENETUNREACH EHOSTUNREACH ENETDOWN EHOSTDOWN ENONET ENOPROTOOPT EPERM EINVAL'.split(' '),
)
/** After the handshake: somebody was there, and gave no answer (EPROTO: none in TLS). A RST to the SYN itself is ECONNREFUSED. */
const brokenOffCodes = new Set('ECONNRESET EPIPE ECONNABORTED EPROTO'.split(' '))

/** The ending that an error code stands for; whatever is not known for sure is a local error. */
function endOfCode(code: string | undefined): WireEnd {
  if (code === undefined) return 'local-error'
  if (code === 'ECONNREFUSED') return 'refused'
  if (code === 'ETIMEDOUT') return 'timeout'
  if (code === 'ENOTFOUND') return 'no-such-name'
  if (unreachableCodes.has(code)) return 'unreachable'
  if (brokenOffCodes.has(code) || /^(HPE|ERR_SSL)_/.test(code)) return 'bad-answer'
  return 'local-error'
}

/**
 * Share of its time limit that a probe must have had with the process awake before its silence counts. Half a second is
 * 750 round trips of a kind cluster. A larger share would make a plan of 2,000, which keeps the process busy for 0.3 s
 * by itself, last longer without need; without any, 222 of 1,000 answers were called missing on a machine under load.
 */
const awakeShare = 0.5
/** After so many time limits without that, the probe is given up as one of a starved agent. */
const maxLimits = 3

/** One running probe. It ends exactly once, at the latest with its own deadline, and takes its sockets with it. */
export class Trial {
  readonly timeoutMs: number
  readonly ending: Promise<Ending>
  phase: 'resolve' | 'connect' | 'answer' = 'connect'
  ended = false
  /** Said with a time-out: what came instead of an answer, or why nothing was sent. */
  seen: { end: WireEnd; detail: string } | undefined
  #attempts = 0
  #sinceMs = performance.now()
  #stalledSinceMs = stalledMs()
  readonly #startedMs = performance.now()
  readonly #stalledBeforeMs = this.#stalledSinceMs
  readonly #settle: (ending: Ending) => void
  readonly #timers: NodeJS.Timeout[] = []
  readonly #cleanups: (() => void)[] = []

  readonly #takePort: () => number

  /** @param takePort hands out source ports */
  constructor(timeoutMs: number, takePort: () => number) {
    this.#takePort = takePort
    const { promise, resolve } = Promise.withResolvers<Ending>()
    this.timeoutMs = timeoutMs
    this.ending = promise
    this.#settle = resolve
    this.#armDeadline(timeoutMs)
  }

  /** Call with each socket opened or datagram sent: counts it and starts the clock of the round trip. */
  sent(): void {
    this.#attempts += 1
    this.#sinceMs = performance.now()
    this.#stalledSinceMs = stalledMs()
  }

  /** Runs when the trial ends, or at once if it has. */
  onEnd(cleanup: () => void): void {
    if (this.ended) cleanup()
    else this.#cleanups.push(cleanup)
  }

  /** Runs later, unless the trial has ended by then. */
  after(ms: number, work: () => void): void {
    if (!this.ended) this.#timers.push(setTimer(work, ms))
  }

  /** Calls `start` with a source port, and again with another one when what it says is that the port is taken. */
  withSourcePort(start: (port: number, failed: (error: Error) => void) => void, tries = portTries): void {
    if (this.ended) return
    start(this.#takePort(), (error) => {
      if (isPortTaken(error) && tries > 1) this.withSourcePort(start, tries - 1)
      else this.fail(error)
    })
  }

  end(end: WireEnd, found: Found = {}): void {
    if (this.ended) return
    this.ended = true
    for (const timer of this.#timers) clearTimeout(timer)
    const ms = Math.round((performance.now() - this.#sinceMs) * 1000) / 1000
    const where = end === 'answered' || end === 'sent' || end === 'in-use' ? {} : { phase: this.phase }
    const lostMs = end === 'answered' ? Math.min(ms, Math.round(stalledMs() - this.#stalledSinceMs)) : 0
    const lost = lostMs < 1 ? {} : { lostMs }
    this.#settle({ end, attempts: this.#attempts, ms, ...lost, ...where, ...found })
    // After the results are on their way: closing 1,000 sockets that ended together takes 40 ms.
    setImmediate(() => {
      for (const cleanup of this.#cleanups) cleanup()
    })
  }

  /** Ends with what an error of the system stands for. */
  fail(error: Error): void {
    const { code } = error as NodeJS.ErrnoException
    const syscall = (error as NodeJS.ErrnoException).syscall ?? ''
    this.end(endOfCode(code), { detail: code === undefined ? error.message : `${code} ${syscall}`.trim() })
  }

  /** Gives up when the time is over and the process was awake for most of it; else it goes on for what is missing. */
  #armDeadline(ms: number): void {
    const giveUp = (): void => {
      const passedMs = performance.now() - this.#startedMs
      const lostMs = stalledMs() - this.#stalledBeforeMs
      const missingMs = this.timeoutMs * awakeShare - (passedMs - lostMs)
      if (missingMs <= 0) this.#endUnanswered()
      else if (passedMs < this.timeoutMs * maxLimits) this.#armDeadline(missingMs)
      else this.end('starved', { lostMs: Math.round(lostMs) })
    }
    // Timers run before sockets are read: one turn more, so that an answer that is already there is not called missing.
    this.after(ms, () => setImmediate(giveUp))
  }

  #endUnanswered(): void {
    if (this.seen === undefined) this.end('timeout')
    else this.end(this.seen.end, { detail: this.seen.detail })
  }
}
