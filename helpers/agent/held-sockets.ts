import { createSocket, type Socket } from 'node:dgram'
import { converse, readAnswer } from './probe-datagram.ts'
import type { PeerProbe } from './probe-stream.ts'
import type { Found, Trial } from './trial.ts'

/**
 * UDP sockets that stay open, and connected, from probe to probe. Who translates the address of a Service when a socket
 * connects has led such a socket to one endpoint for ever: it must close it when that endpoint goes, and its client then
 * opens another, as any would. What connects before such a one knows the Service leads nowhere for ever: a socket is held
 * from its first answer on.
 */

/** A probe over the socket of a port. */
export type HeldProbe = PeerProbe & { sourcePort: number }

interface Held {
  /** Address and port that it is connected to. */
  peer: string
  socket: Socket
  isAnswered: boolean
  /** What becomes of an error. */
  failed: (error: Error) => void
}

/** Open at once; then the oldest makes room, which is that of an earlier run. */
const mostHeld = 8

/** The kernel has closed it, or has done so before anybody was told: it has no peer any more. */
const closedCodes: ReadonlySet<string | undefined> = new Set(['ECONNABORTED', 'EDESTADDRREQ', 'ENOTCONN'])

const isClosed = (error: Error): boolean => closedCodes.has((error as NodeJS.ErrnoException).code)

/** Held sockets, by the port that they are bound to. */
export class HeldSockets {
  readonly #byPort = new Map<number, Held>()

  /** Asks over the socket of this port; it is opened where there is none, or one that leads elsewhere. */
  ask(probe: HeldProbe, host: string, found: Found, trial: Trial): void {
    const { port, sourcePort } = probe
    const peer = `${host} ${port}`
    const known = this.#byPort.get(sourcePort)
    if (known?.peer === peer) return this.#askOver(known, probe, found, trial)
    this.#drop(sourcePort)
    const held = this.#open(sourcePort, peer, host)
    trial.phase = 'connect'
    // What could not be opened is not held: the next probe tries anew.
    held.failed = (error) => {
      this.#drop(sourcePort)
      trial.fail(error)
    }
    held.socket.bind({ port: sourcePort, exclusive: true }, () =>
      // `connect` reports what it cannot do (no route) to its callback.
      held.socket.connect(port, host, (error?: Error) => {
        if (error !== undefined && error !== null) held.failed(error)
        else this.#askOver(held, probe, found, trial)
      }),
    )
  }

  #askOver(held: Held, { sourcePort, nonce }: HeldProbe, found: Found, trial: Trial): void {
    // Between two probes nobody wants to know.
    const idle = (error: Error): void => {
      if (isClosed(error)) this.#drop(sourcePort)
    }
    const failed = (error: Error): void => {
      idle(error)
      trial.fail(error)
    }
    held.failed = failed
    trial.onEnd(() => {
      if (held.failed === failed) held.failed = idle
    })
    void trial.ending.then(({ end }) => {
      if (end === 'answered') held.isAnswered = true
      else if (!held.isAnswered && this.#byPort.get(sourcePort) === held) this.#drop(sourcePort)
    })
    if (!trial.ended)
      converse(held.socket, { payload: nonce, trial, failed }, readAnswer(nonce, found, trial))
  }

  #open(sourcePort: number, peer: string, host: string): Held {
    const [oldest] = this.#byPort.keys()
    if (oldest !== undefined && this.#byPort.size >= mostHeld) this.#drop(oldest)
    const held: Held = {
      peer,
      socket: createSocket(host.includes(':') ? 'udp6' : 'udp4'),
      isAnswered: false,
      failed: () => undefined,
    }
    held.socket.on('error', (error) => held.failed(error))
    this.#byPort.set(sourcePort, held)
    return held
  }

  #drop(sourcePort: number): void {
    const held = this.#byPort.get(sourcePort)
    if (held === undefined) return
    this.#byPort.delete(sourcePort)
    held.failed = () => undefined
    held.socket.close()
  }
}
