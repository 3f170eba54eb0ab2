import type { Socket } from 'node:net'
import { isNonce } from './identity.ts'
import { open, readIdentity, type PeerProbe } from './probe-stream.ts'
import type { Identity } from './protocol.ts'
import type { Found, Trial } from './trial.ts'

/**
 * A connection that is silent for a while and then used again: what keeps a table of connections on the way, such as
 * conntrack or a load balancer, must not have forgotten it.
 *
 * Client: `<nonce> again\n`. Server: one identity line. Silence. Client: `<nonce>-again\n`. Server: one more, and the end.
 */

/** Second word of the first line. */
export const askedAgain = 'again'

/** A client that has not asked again by then never will: longer than a check may be silent. In milliseconds. */
const maxSilenceMs = 90_000
/** Longest line of either side, in bytes; an identity has about 250. */
const maxLineBytes = 4_096

/** Calls `take` with each line that comes; a line without an end is the end of the connection. */
function onLines(socket: Socket, rest: string, take: (line: string) => void): void {
  let text = ''
  const read = (chunk: string): void => {
    text += chunk
    for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n')) {
      const line = text.slice(0, end)
      text = text.slice(end + 1)
      take(line)
    }
    if (text.length > maxLineBytes) socket.destroy()
  }
  socket.on('data', read)
  read(rest)
}

/** The server's part, after the first line of the connection. */
export function answerTwice(
  connection: Socket,
  { nonce, rest }: { nonce: string; rest: string },
  identify: (nonce: string) => string,
): void {
  connection.setTimeout(maxSilenceMs)
  connection.write(`${identify(nonce)}\n`)
  onLines(connection, rest, (line) => {
    if (isNonce(line)) connection.end(`${identify(line)}\n`)
    else connection.destroy()
  })
}

/** Asks, is silent, and asks again over the same connection; the second answer is the result. */
export function probeIdle(
  { port, nonce, silentMs }: PeerProbe & { silentMs: number },
  host: string,
  found: Found,
  trial: Trial,
): void {
  open(host, port, trial, (socket) => {
    let first: Identity | undefined
    let askedMs = performance.now()
    const nonceNow = (): string => (first === undefined ? nonce : `${nonce}-again`)
    socket.setEncoding('utf8')
    onLines(socket, '', (line) => {
      const identity = readIdentity(line, nonceNow())
      if (typeof identity === 'string') return trial.end('bad-answer', { ...found, detail: identity })
      if (first !== undefined) return endTwice(first, identity, performance.now() - askedMs, found, trial)
      first = identity
      trial.seen = {
        end: 'timeout',
        detail: `answered by ${identity.pod} at first, by nobody after ${silentMs} ms of silence on the connection`,
      }
      trial.after(silentMs, () => {
        askedMs = performance.now()
        socket.write(`${nonceNow()}\n`)
      })
    })
    socket.on('end', () => {
      const when = first === undefined ? 'before an answer' : 'after the first answer'
      trial.end('bad-answer', { ...found, detail: `the connection was closed ${when}` })
    })
    socket.write(`${nonce} ${askedAgain}\n`)
  })
}

/** The same server must have answered twice. */
function endTwice(first: Identity, second: Identity, ms: number, found: Found, trial: Trial): void {
  if (first.podUid === second.podUid) {
    trial.end('answered', { ...found, identity: second, ms: Math.round(ms * 1000) / 1000 })
    return
  }
  const detail = `answered by ${first.pod} at first, by ${second.pod} over the same connection after its silence`
  trial.end('bad-answer', { ...found, detail })
}
