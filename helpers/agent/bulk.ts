import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { open, readIdentity } from './probe-stream.ts'
import type { Of } from './protocol.ts'
import type { Found, Trial } from './trial.ts'

/**
 * Long bodies over TCP, both ways over one connection: packets as long as the path takes them. A small question and its
 * answer fit into packets that get through everywhere, also where long ones vanish.
 *
 * Client: `<nonce> <bytes>\n` and a body. Server: when all of it has come, one identity line and a body.
 */

/** Longest body; it lies in memory as a whole. */
const maxBytes = 16 * 1024 * 1024

/** What one end sends: nobody else's bytes, and never the same ones again within the body. */
function bodyOf(way: 'up' | 'down', nonce: string, bytes: number): Buffer {
  return createHash('shake256', { outputLength: bytes }).update(`${way} ${nonce}`).digest()
}

/** Calls `done` when so many bytes have come, with whether they are those that were sent. Chunks are latin1. */
function onBody(socket: Socket, expected: Buffer, rest: string, done: (whole: boolean) => void): Progress {
  const progress = { bytes: rest.length }
  const chunks = [rest]
  const look = (): void => {
    if (progress.bytes < expected.length) return
    socket.off('data', take)
    done(Buffer.from(chunks.join(''), 'latin1').equals(expected))
  }
  const take = (chunk: string): void => {
    chunks.push(chunk)
    progress.bytes += chunk.length
    look()
  }
  socket.on('data', take)
  look()
  return progress
}

/** How many bytes have come so far. */
interface Progress {
  readonly bytes: number
}

/** The server's part, after the first line of the connection. A body that came damaged gets no identity. */
export function receiveBulk(
  connection: Socket,
  { nonce, bytes, rest }: { nonce: string; bytes: string; rest: string },
  identity: () => string,
): void {
  const count = Number(bytes)
  if (!Number.isSafeInteger(count) || count < 1 || count > maxBytes) return void connection.destroy()
  onBody(connection, bodyOf('up', nonce, count), rest, (whole) => {
    if (!whole) return void connection.end(`other bytes came than were sent\n`)
    connection.write(`${identity()}\n`)
    connection.end(bodyOf('down', nonce, count))
  })
}

/** Long bodies to a server and back. */
export function probeBulk(probe: Of<'bulk'>, host: string, found: Found, trial: Trial): void {
  const { nonce, bytes, port } = probe
  open(host, port, trial, (socket) => {
    const hint = 'small packets pass, long ones may be lost on the way'
    const late = (detail: string): void => void (trial.seen = { end: 'timeout', detail })
    late(`connected, but the server did not say that all ${bytes} bytes came: ${hint}`)
    socket.setEncoding('latin1')
    let line = ''
    const onLine = (chunk: string): void => {
      line += chunk
      const end = line.indexOf('\n')
      if (end === -1) return
      socket.off('data', onLine)
      const identity = readIdentity(line.slice(0, end), nonce)
      if (typeof identity === 'string') return trial.end('bad-answer', { ...found, detail: identity })
      const progress = onBody(socket, bodyOf('down', nonce, bytes), line.slice(end + 1), (whole) => {
        if (whole) trial.end('answered', { ...found, identity })
        else trial.end('bad-answer', { ...found, detail: 'other bytes came back than the server sent' })
      })
      const tell = (): void =>
        late(`all ${bytes} bytes arrived, of as many only ${progress.bytes} came back: ${hint}`)
      tell()
      socket.on('data', tell)
    }
    socket.on('data', onLine)
    socket.on('end', () => trial.end('bad-answer', { ...found, detail: 'closed before the body was whole' }))
    socket.write(`${nonce} ${bytes}\n`)
    socket.write(bodyOf('up', nonce, bytes))
  })
}
