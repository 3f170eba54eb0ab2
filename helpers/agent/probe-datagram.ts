import { createSocket, type Socket } from 'node:dgram'
import { decodeAnswer, encodeQuestion } from './dns-message.ts'
import { interfaceMtu } from './facts.ts'
import { endDns, endWith, excerpt, readIdentity, type PeerProbe } from './probe-stream.ts'
import { resendShare, type Of } from './protocol.ts'
import type { Found, Trial } from './trial.ts'

/**
 * Probes over UDP. Each has a socket of its own, connected to its peer: then the kernel reports ICMP errors, and
 * an answer from another address (a translation that was not undone) counts as no answer, as it would for any client.
 */

/** The error of a local REJECT is there before send() returns, but is read one or two turns later. */
const icmpGraceMs = 10

/** What is said over a connected socket. */
interface Conversation {
  payload: string | Uint8Array
  trial: Trial
  /** What becomes of an error; it ends the trial unless said. */
  failed?: (error: Error) => void
}

/**
 * Says whether a message settles the trial, or else what is wrong with it: a late answer to an earlier probe from the same
 * port must not be judged.
 */
type Read = (message: Buffer) => string | undefined

/** Asks over a socket of its own. */
export function exchange(
  { host, port, ...about }: Conversation & { host: string; port: number },
  read: Read,
): void {
  const { trial } = about
  trial.phase = 'answer'
  withSocket(host, trial, (socket) =>
    // `connect` reports what it cannot do (no route) to its callback.
    socket.connect(port, host, (error?: Error) => {
      if (error !== undefined && error !== null) return trial.fail(error)
      if (!trial.ended) converse(socket, about, read)
    }),
  )
}

/** Sends over a connected socket, and again at 1/3 and 2/3 of the time limit while nothing has come. */
export function converse(
  socket: Socket,
  { payload, trial, failed = (error) => trial.fail(error) }: Conversation,
  read: Read,
): void {
  trial.phase = 'answer'
  const hear = (message: Buffer): void => {
    const wrong = read(message)
    if (wrong !== undefined) trial.seen = { end: 'bad-answer', detail: wrong }
  }
  socket.on('message', hear)
  trial.onEnd(() => socket.off('message', hear))
  const send = (): void => {
    trial.sent()
    socket.send(payload, (error) => {
      // A REJECT of the local packet filter gives EPERM first and its ICMP error a moment later, which says more.
      if (error !== null) trial.after(icmpGraceMs, () => failed(error))
    })
  }
  send()
  trial.after(trial.timeoutMs * resendShare, send)
  trial.after(2 * trial.timeoutMs * resendShare, send)
}

/** Calls `use` with a socket that is bound to a source port. */
export function withSocket(host: string, trial: Trial, use: (socket: Socket) => void): void {
  trial.withSourcePort((port, failed) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    trial.onEnd(() => socket.close())
    socket.on('error', failed)
    socket.bind({ port, exclusive: true }, () => {
      if (!trial.ended) use(socket)
    })
  })
}

/** Who answers says who it is. */
export const readAnswer =
  (nonce: string, found: Found, trial: Trial): Read =>
  (message) => {
    const answer = readIdentity(message.toString('utf8'), nonce)
    if (typeof answer === 'string') return answer
    endWith(trial, answer, found)
    return undefined
  }

export function probeUdp(probe: PeerProbe, host: string, found: Found, trial: Trial): void {
  const { port, nonce } = probe
  exchange({ host, port, payload: nonce, trial }, readAnswer(nonce, found, trial))
}

/** `agnhost netexec` says the nonce back. */
export function probeToolsUdp(probe: PeerProbe, host: string, found: Found, trial: Trial): void {
  const { port, nonce } = probe
  exchange({ host, port, payload: `echo ${nonce}`, trial }, (message) => {
    const text = message.toString('utf8').trim()
    if (text !== nonce) return `no echo: ${excerpt(text)}`
    trial.end('answered', found)
    return undefined
  })
}

export function probeDnsUdp(probe: Of<'dns'>, id: number, port: number, trial: Trial): void {
  const payload = encodeQuestion(id, probe)
  exchange({ host: probe.server, port, payload, trial }, (message) => {
    const answer = decodeAnswer(message, id, probe)
    if (typeof answer === 'string') return answer
    endDns(trial, answer)
    return undefined
  })
}

/** Bytes of the headers of IP and UDP. */
const headerBytes = { v4: 28, v6: 48 } as const

/** Those of a datagram to this address. */
export const headersOf = (host: string): number => headerBytes[host.includes(':') ? 'v6' : 'v4']

/**
 * A nonce, and blanks up to the length of a packet. The kernel sets DF on one that just fits the interface, unless it has
 * been told of a smaller path; then it sends fragments, which the receiver's kernel puts together.
 */
export const filled = (nonce: string, host: string, packetBytes: number): string =>
  nonce.padEnd(packetBytes - headersOf(host))

function payloadOf(probe: PeerProbe, host: string): string | undefined {
  if (!('fill' in probe)) return probe.nonce
  const mtu = interfaceMtu()
  return mtu === undefined ? undefined : filled(probe.nonce, host, probe.fill === 'mtu' ? mtu : 2 * mtu)
}

/** One datagram, no answer awaited: the receiver is asked for its receipt. */
export function probeDatagram(probe: PeerProbe, host: string, found: Found, trial: Trial): void {
  trial.phase = 'connect'
  const payload = payloadOf(probe, host)
  if (payload === undefined) return trial.end('local-error', { detail: 'no interface, so no MTU' })
  withSocket(host, trial, (socket) => {
    trial.sent()
    socket.send(payload, probe.port, host, (error) => {
      if (error === null) trial.end('sent', found)
      else trial.fail(error)
    })
  })
}
