/**
 * Source ports of our own choice. The kernel gives a port again as soon as the destination differs, and to conntrack a
 * connection to a Service that is translated to a pod and a direct one to that pod are the same when both have the same
 * source port: for the 120 s that it remembers a closed connection, it drops every packet of the other one. A batch that
 * asks Services and their pods at once meets that by itself; then a healthy network looks silent. So each probe of a
 * pod gets a port that none of its probes has had for a long time.
 */

/** Below the range that the kernel takes (32768-60999) and NodePorts (30000-32767), above our servers' ports. */
const lowest = 10_000
export const sourcePortCount = 20_000

/** Tries of one probe, if something else in the pod sits on a port. */
export const portTries = 8

/** Hands out ports in turn: each comes again after all others. */
export class SourcePorts {
  #next: number

  /** @param start offset of the first port; an agent that starts again must not start at the same one */
  constructor(start: number) {
    this.#next = start % sourcePortCount
  }

  take(): number {
    const port = lowest + this.#next
    this.#next = (this.#next + 1) % sourcePortCount
    return port
  }
}

/** The port is not free: the probe takes another one. */
export function isPortTaken(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL'
}
