/**
 * Source ports of our own choice, for what conntrack remembers of a port for 120 s.
 *
 * A connection to a Service is translated to one of its pods; if the same client has had a direct connection to that pod
 * from the same port, the answers of both look the same to conntrack, which drops the packets of the later one. And a SYN
 * to a Service that was never answered leaves an entry that leads the next one from that port to the same pod, even if
 * that pod is long gone. The kernel does choose the same port again, for another destination at once, and a run that asks
 * Services and their pods at the same time hits that: DNS over TCP timed out in every fourth run, on a network without a
 * fault. So direct probes and probes to Services have ranges of their own, and go round them as slowly as can be.
 */

/**
 * First and number. Above our servers' ports, and none that is a NodePort: where a node asks from one, who serves Services
 * may take the answer for a question to it. That the kernel's own choice lies in the second harms no TCP.
 */
const ranges = { direct: [10_000, 10_000], service: [32_768, 28_232] } as const

export type PortRange = keyof typeof ranges

/**
 * Ports that only a probe has that names its own: first and number. Above all that the kernel gives out. Those of sockets
 * that stay open are others, so that nobody finds them taken.
 */
export const keptPorts = [62_000, 1_500] as const
export const heldPorts = [63_500, 1_500] as const

/** How many probes of one kind can have a port of their own. */
export const portsPerRange = ranges.direct[1]

/** Tries of one probe, where a port is still in use: a connection's end keeps it for 60 s. */
export const portTries = 64

/** Hands out the ports of each range in turn: each comes again after all others. TCP and UDP each have an object. */
export class SourcePorts {
  readonly #next: Record<PortRange, number>

  /** @param share where to begin in each range, from 0 to 1; an agent that starts again must not begin at the same one */
  constructor(share: number) {
    const begin = (range: PortRange): number => Math.floor(share * ranges[range][1]) % ranges[range][1]
    this.#next = { direct: begin('direct'), service: begin('service') }
  }

  take(range: PortRange): number {
    const [first, count] = ranges[range]
    const offset = this.#next[range]
    this.#next[range] = (offset + 1) % count
    return first + offset
  }
}

/** The port is not free: the probe takes another one. */
export function isPortTaken(error: Error): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL'
}
