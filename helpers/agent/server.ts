import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type ListenOptions, type Server, type Socket as Connection } from 'node:net'
import { receiveBulk } from './bulk.ts'
import { answerTwice, askedAgain } from './idle.ts'
import { isNonce, plainAddress, type Self, type ServerOptions } from './identity.ts'
import type { Identity } from './protocol.ts'

/** A whole plan may knock at once; the kernel caps this at net.core.somaxconn (4096 by default). */
const backlog = 4_096
/** Longest question; a nonce has 24 characters. */
const maxQuestionBytes = 256
/** A peer that has not asked by then never will. */
const idleMs = 10_000
/** One-way datagrams remembered: 100,000 nonces of 31 characters are about 10 MB. */
export const maxReceipts = 100_000
/** Bytes of datagrams that may wait; the kernel caps this at net.core.rmem_max. */
const receiveBufferBytes = 4 * 1024 * 1024

/** Nonces of the one-way datagrams that came, the oldest forgotten first. */
export class Receipts {
  readonly #nonces = new Set<string>()

  add(nonce: string): void {
    this.#nonces.add(nonce)
    if (this.#nonces.size <= maxReceipts) return
    for (const oldest of this.#nonces) {
      this.#nonces.delete(oldest)
      return
    }
  }

  received(asked: readonly string[]): string[] {
    return asked.filter((nonce) => this.#nonces.has(nonce))
  }
}

/** Starts all servers; HTTP comes last, so that `/readyz` speaks for all of them. */
export async function startServers(self: Self, options: ServerOptions): Promise<void> {
  const { host, ports } = options
  const receipts = new Receipts()
  const identify = (nonce: string, saw: string | undefined): string => {
    const identity: Identity = { nonce, ...self, saw: plainAddress(saw) }
    return JSON.stringify(identity)
  }
  const at = (port: number): ListenOptions => ({ port, backlog, ...(host === undefined ? {} : { host }) })
  await listen(tcpServer(identify), at(ports.tcp))
  await startUdp(host, ports.udp, (socket) => answerDatagrams(socket, receipts, identify))
  if (options.receiptsSocket !== undefined) {
    // Left behind when the container was restarted.
    rmSync(options.receiptsSocket, { force: true })
    await listen(receiptsServer(receipts), { path: options.receiptsSocket, backlog })
  }
  await listen(httpServer(identify), at(ports.http))
}

type Identify = (nonce: string, saw: string | undefined) => string

async function listen(server: Server, options: ListenOptions): Promise<void> {
  server.listen(options)
  await once(server, 'listening')
  // From now on: accept() can fail for want of file descriptors; the server goes on.
  server.on('error', (error) => console.error('server:', error.message))
}

/**
 * Calls `answer` with the first line of a connection and what came after it; what is no line of ours is dropped. Of latin1
 * each character is one byte.
 */
function onQuestion(
  connection: Connection,
  maxBytes: number,
  answer: (line: string, rest: string) => void,
): void {
  let text = ''
  let answered = false
  connection.setEncoding('latin1')
  connection.setTimeout(idleMs, () => connection.destroy())
  connection.on('error', () => connection.destroy())
  connection.on('data', (chunk: string) => {
    if (answered) return
    text += chunk
    const end = text.indexOf('\n')
    if (end === -1 && text.length <= maxBytes) return
    answered = true
    if (end === -1) connection.destroy()
    else answer(text.slice(0, end).trim(), text.slice(end + 1))
  })
}

function tcpServer(identify: Identify): Server {
  return createServer((connection) => {
    onQuestion(connection, maxQuestionBytes, (line, rest) => {
      const [nonce = '', bytes] = line.split(' ')
      if (!isNonce(nonce)) connection.destroy()
      else if (bytes === undefined) connection.end(`${identify(nonce, connection.remoteAddress)}\n`)
      else if (bytes === askedAgain)
        answerTwice(connection, { nonce, rest }, (each) => identify(each, connection.remoteAddress))
      else receiveBulk(connection, { nonce, bytes, rest }, () => identify(nonce, connection.remoteAddress))
    })
  })
}

function receiptsServer(receipts: Receipts): Server {
  return createServer((connection) => {
    onQuestion(connection, maxReceipts * 256, (line) => {
      try {
        connection.end(`${JSON.stringify(receipts.received(JSON.parse(line) as string[]))}\n`)
      } catch {
        connection.destroy()
      }
    })
  })
}

function httpServer(identify: Identify): Server {
  const server = createHttpServer({ headersTimeout: idleMs, requestTimeout: idleMs }, (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://agent')
    const nonce = searchParams.get('nonce') ?? ''
    response.setHeader('connection', 'close')
    if (pathname === '/readyz') response.end('ok\n')
    else if (pathname === '/identity' && isNonce(nonce)) {
      response.setHeader('content-type', 'application/json')
      response.end(identify(nonce, request.socket.remoteAddress))
    } else response.writeHead(404).end()
  })
  server.on('clientError', (_error, connection) => connection.destroy())
  return server
}

/** One socket for both families; IPv4 alone where the kernel has no IPv6. */
async function startUdp(
  host: string | undefined,
  port: number,
  use: (socket: Socket) => void,
): Promise<void> {
  if (host !== undefined) return bindUdp(host.includes(':') ? 'udp6' : 'udp4', host, port, use)
  try {
    await bindUdp('udp6', '::', port, use)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') throw error
    await bindUdp('udp4', '0.0.0.0', port, use)
  }
}

async function bindUdp(
  type: 'udp4' | 'udp6',
  address: string,
  port: number,
  use: (socket: Socket) => void,
): Promise<void> {
  const socket = createSocket({ type, recvBufferSize: receiveBufferBytes })
  try {
    socket.bind({ address, port })
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw error
  }
  socket.on('error', (error) => console.error('udp server:', error.message))
  use(socket)
}

function answerDatagrams(socket: Socket, receipts: Receipts, identify: Identify): void {
  socket.on('message', (message, peer) => {
    const nonce = message.toString('utf8').trim()
    if (!isNonce(nonce)) return
    if (nonce.startsWith('oneway-')) receipts.add(nonce)
    // A peer that is gone is not an event: without a callback an error would go to the socket.
    else socket.send(identify(nonce, peer.address), peer.port, peer.address, () => undefined)
  })
}
