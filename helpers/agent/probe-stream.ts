import { createServer, connect, type Socket } from 'node:net'
import { createSocket } from 'node:dgram'
import { get, type IncomingMessage } from 'node:http'
import { decodeAnswer, encodeQuestion } from './dns-message.ts'
import type { Identity, Of } from './protocol.ts'
import type { Found, Trial } from './trial.ts'

/** Probes over connections: TCP, HTTP, DNS over TCP; and the bind. */

/** A probe that wants its nonce back from a peer. */
export type PeerProbe = Of<'tcp' | 'udp' | 'http' | 'datagram' | 'tools-http' | 'tools-udp'>

/** Longest answer in bytes; an identity has about 250. */
const maxAnswerBytes = 4_096
const shown = 80

/** An identity with the right nonce, or what is wrong with the text. */
export function readIdentity(text: string, nonce: string): Identity | string {
  try {
    const identity = JSON.parse(text) as Partial<Identity> | null
    if (typeof identity?.podUid === 'string' && identity.nonce === nonce) return identity as Identity
    return identity?.nonce === undefined ? `no identity: ${excerpt(text)}` : 'an identity with another nonce'
  } catch {
    return `no identity: ${excerpt(text)}`
  }
}

/** The beginning of an answer for a person to read. */
export function excerpt(text: string): string {
  return JSON.stringify(text.length > shown ? `${text.slice(0, shown)}…` : text)
}

/** Ends the trial with an identity or with what came instead. */
export function endWith(trial: Trial, answer: Identity | string, found: Found): void {
  if (typeof answer === 'string') trial.end('bad-answer', { ...found, detail: answer })
  else trial.end('answered', { ...found, identity: answer })
}

/**
 * Calls `onConnect` with a connection from a source port of ours, when the handshake is done.
 *
 * @param broken told of errors after it; else they end the trial
 */
export function open(
  host: string,
  port: number,
  trial: Trial,
  onConnect: (socket: Socket) => void,
  broken = (error: Error): void => trial.fail(error),
): void {
  trial.phase = 'connect'
  trial.sent()
  trial.withSourcePort((localPort, failed) => {
    const socket = connect({ host, port, localPort, noDelay: true })
    trial.onEnd(() => socket.destroy())
    socket.on('error', (error) => (trial.phase === 'answer' ? broken(error) : failed(error)))
    socket.once('connect', () => {
      trial.phase = 'answer'
      onConnect(socket)
    })
  })
}

/** `<nonce>\n` out, one identity line in. */
export function probeTcp(probe: PeerProbe, host: string, found: Found, trial: Trial): void {
  open(host, probe.port, trial, (socket) => {
    let text = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      text += chunk
      if (text.includes('\n') || text.length > maxAnswerBytes)
        endWith(trial, readIdentity(text, probe.nonce), found)
    })
    socket.on('end', () => {
      if (text === '')
        trial.end('bad-answer', { ...found, detail: 'connected, then closed without an answer' })
      else endWith(trial, readIdentity(text, probe.nonce), found)
    })
    socket.write(`${probe.nonce}\n`)
  })
}

/** `GET path` on a connection of its own; `read` judges the body of a 200. */
function getOnce(host: string, port: number, path: string, trial: Trial, read: (body: string) => void): void {
  trial.phase = 'connect'
  trial.sent()
  const onResponse = (response: IncomingMessage): void => {
    let body = ''
    response.setEncoding('utf8')
    response.on('error', (error) => trial.fail(error))
    response.on('data', (chunk: string) => {
      body += chunk
      if (body.length > maxAnswerBytes)
        trial.end('bad-answer', { detail: `more than ${maxAnswerBytes} bytes` })
    })
    response.on('end', () => {
      if (response.statusCode === 200) read(body)
      else trial.end('bad-answer', { detail: `HTTP ${response.statusCode}: ${excerpt(body)}` })
    })
  }
  trial.withSourcePort((localPort, failed) => {
    const headers = { connection: 'close' }
    const request = get({ host, port, path, localPort, agent: false, headers }, onResponse)
    trial.onEnd(() => request.destroy())
    request.on('error', failed)
    request.once('socket', (socket) => socket.once('connect', () => (trial.phase = 'answer')))
  })
}

export function probeHttp(probe: PeerProbe, host: string, found: Found, trial: Trial): void {
  const path = `/identity?nonce=${encodeURIComponent(probe.nonce)}`
  getOnce(host, probe.port, path, trial, (body) => endWith(trial, readIdentity(body, probe.nonce), found))
}

/** `agnhost netexec` says the nonce back. */
export function probeToolsHttp(probe: PeerProbe, host: string, found: Found, trial: Trial): void {
  getOnce(host, probe.port, `/echo?msg=${encodeURIComponent(probe.nonce)}`, trial, (body) => {
    if (body.trim() === probe.nonce) trial.end('answered', found)
    else trial.end('bad-answer', { ...found, detail: `no echo: ${excerpt(body)}` })
  })
}

/**
 * CoreDNS closes a connection on which it has read nothing for 2 s, also when it was the machine that kept it from
 * reading, or us from writing: the handshake is the kernel's, and done long before a starved process knows of it. So an
 * end or a reset that comes so late after the first packet is no answer; one that comes at once is.
 */
const idleCloseMs = 1_500

/** A DNS question over TCP: each message is led by its length in two bytes. */
export function probeDnsTcp(probe: Of<'dns'>, id: number, port: number, trial: Trial): void {
  const question = encodeQuestion(id, probe)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(question.length)
  const openedMs = performance.now()
  let bytes = Buffer.alloc(0)
  let isOver = false
  const over = (how: string): void => {
    if (isOver) return
    isOver = true
    const afterMs = Math.round(performance.now() - openedMs)
    const detail = `${how} after ${bytes.length} bytes of an answer and ${afterMs} ms`
    if (bytes.length > 0 || afterMs < idleCloseMs) return trial.end('bad-answer', { detail })
    trial.seen = { end: 'bad-answer', detail }
    probeDnsTcp(probe, id, port, trial)
  }
  const onConnect = (socket: Socket): void => {
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk])
      if (bytes.length < 2 || bytes.length < 2 + bytes.readUInt16BE(0)) return
      endDns(trial, decodeAnswer(bytes.subarray(2, 2 + bytes.readUInt16BE(0)), id, probe))
    })
    socket.on('end', () => over('closed'))
    socket.write(Buffer.concat([length, question]))
  }
  open(probe.server, port, trial, onConnect, (error) => {
    if ((error as NodeJS.ErrnoException).code === 'ECONNRESET') over('reset')
    else trial.fail(error)
  })
}

/** Ends the trial with a DNS answer, or with why it is none. */
export function endDns(trial: Trial, answer: ReturnType<typeof decodeAnswer>): void {
  if (typeof answer === 'string') return trial.end('bad-answer', { detail: answer })
  const { rcode, truncated, answers } = answer
  trial.end('answered', {
    rcode,
    ...(rcode === 'NOERROR' ? { answers } : {}),
    ...(truncated ? { truncated, detail: 'truncated (TC): the records are not complete' } : {}),
  })
}

/** Is a port of the shared network namespace free? */
export function probeBind(probe: Of<'bind'>, trial: Trial): void {
  const { host, port } = probe
  const failed = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EADDRINUSE') trial.end('in-use', { detail: 'EADDRINUSE' })
    else trial.end('local-error', { detail: `${error.code ?? error.message} bind` })
  }
  trial.sent()
  if (probe.transport === 'tcp') {
    const server = createServer()
    trial.onEnd(() => server.close())
    server.once('error', failed)
    server.listen({ host, port, exclusive: true }, () => trial.end('answered'))
    return
  }
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  trial.onEnd(() => socket.close())
  socket.once('error', failed)
  socket.bind({ address: host, port, exclusive: true }, () => trial.end('answered'))
}
