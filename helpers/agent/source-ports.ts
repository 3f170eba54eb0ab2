/**
 * Source ports of our own choice. A connection to a Service is translated to one of its pods; if the same client has a
 * direct connection to that pod from the same source port, their answers look the same to conntrack, which then drops
 * the packets of the later one, for as long as it remembers the earlier: 120 s after its end. The kernel does choose the
 * same port for two destinations, and a run that asks Services and their pods at once hits it: DNS over TCP timed out
 * in every fourth run, on a network without a fault. So the two kinds of probes take their ports from ranges of their own.
 */

/** Below the range that the kernel takes (32768-60999) and NodePorts (30000-32767), above our servers' ports. */
const firstPort = { direct: 10_000, service: 20_000 } as const

/** Ports of each kind. */
export const portsPerKind = 10_000

/** Tries of one probe, where a port is still in use: a connection's end keeps it for 60 s. */
export const portTries = 64

/** Hands out the ports of each kind in turn: each comes again after all others. */
export class SourcePorts {
  readonly #next: Record<keyof typeof firstPort, number>

  /** @param start offset of the first port; an agent that starts again must not start at the same one */
  constructor(start: number) {
    this.#next = { direct: start % portsPerKind, service: start % portsPerKind }
  }

  take(kind: keyof typeof firstPort): number {
    const offset = this.#next[kind]
    this.#next[kind] = (offset + 1) % portsPerKind
    return firstPort[kind] + offset
  }
}

/** The port is not free: the probe takes another one. */
export function isPortTaken(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL'
}
