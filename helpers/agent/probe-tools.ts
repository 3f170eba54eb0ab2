import { get } from 'node:http'
import { interfaceMtu } from './facts.ts'
import { filled, headersOf, withSocket } from './probe-datagram.ts'
import { excerpt } from './probe-stream.ts'
import type { EchoReply, Of } from './protocol.ts'
import type { Trial } from './trial.ts'

/**
 * What Node.js has no word for: ICMP, and what the kernel knows of a path. The tools container of the same pod has the
 * programs for both, and shares the pod's network; agnhost runs them when it is asked over loopback. What they print is
 * read, whatever they end with.
 */

/** Echo requests of one ping. One may be lost without anyone at fault; three in a row on an idle wire may not. */
const echoes = 3
/** Seconds between them, and until the last is given up. */
const echoSeconds = { between: 0.2, wait: 2 } as const

/** Of these alone is a line for the shell made: names, options, numbers and addresses. Brackets without a match stay as they are. */
const isPlainWord = (word: string): boolean => /^[\w.:,=/[\]-]+$/.test(word)

/** Runs a program in the tools container and hands over what it printed. Whatever goes wrong here is local. */
function runInTools(
  words: readonly (string | number)[],
  port: number,
  trial: Trial,
  read: (output: string) => void,
): void {
  const failed = (why: string): void =>
    trial.end('local-error', { detail: `the tools container did not run ${words[0]}: ${why}` })
  const line = words.map(String)
  if (!line.every(isPlainWord)) return failed(`${excerpt(line.join(' '))} is not made of plain words`)
  const path = `/shell?cmd=${encodeURIComponent(line.join(' '))}`
  const headers = { connection: 'close' }
  const request = get({ host: '127.0.0.1', port, path, agent: false, headers }, (response) => {
    let body = ''
    response.setEncoding('utf8')
    response.on('error', (error) => failed(error.message))
    response.on('data', (chunk: string) => (body += chunk))
    response.on('end', () => {
      if (trial.ended) return
      const output = outputIn(body)
      if (output === undefined) failed(`HTTP ${response.statusCode}: ${excerpt(body)}`)
      else read(output)
    })
  })
  trial.onEnd(() => request.destroy())
  request.on('error', (error) => failed(error.message))
}

/** What agnhost says that a program printed, on both of its outputs. */
function outputIn(body: string): string | undefined {
  try {
    const { output = '' } = JSON.parse(body) as { output?: string }
    return output
  } catch {
    return undefined
  }
}

/** What a ping printed. */
interface Pinged {
  replies: EchoReply[]
  /** Requests that were sent; undefined where it does not say so. */
  sent?: number
  /** What a router or the kernel said instead of an answer. */
  unreachable?: string
}

/** Reads what ping prints, that of iputils and that of busybox. */
export function readPing(output: string): Pinged {
  const replies = [
    ...output.matchAll(/^\d+ bytes from (\S+?):? (?:icmp_)?seq=(\d+) ttl=(\d+)(?: time=([\d.]+) ms)?/gm),
  ].map(([, from = '', seq, ttl, ms]) => ({ from, seq: Number(seq), ttl: Number(ttl), ms: Number(ms ?? 0) }))
  const [, sent] = /^(\d+) packets transmitted/m.exec(output) ?? []
  const [unreachable] = /^.*(?:unreachable|no route to host|prohibited|filtered).*$/im.exec(output) ?? []
  return {
    replies,
    ...(sent === undefined ? {} : { sent: Number(sent) }),
    ...(unreachable === undefined ? {} : { unreachable }),
  }
}

/** Sends echo requests; any reply is an answer, from whom it came is told. */
export function probePing({ host }: Of<'ping'>, port: number, trial: Trial): void {
  trial.phase = 'answer'
  trial.seen = { end: 'local-error', detail: 'the tools container did not say what ping saw' }
  trial.sent()
  const { between, wait } = echoSeconds
  const words = ['ping', '-n', '-c', echoes, '-i', between, '-W', wait, host]
  runInTools(words, port, trial, (output) => {
    const { replies, sent = 0, unreachable } = readPing(output)
    const [first] = replies.toSorted((a, b) => a.ms - b.ms)
    if (first !== undefined) trial.end('answered', { replies, ms: first.ms })
    else if (unreachable !== undefined) trial.end('unreachable', { detail: unreachable })
    else if (sent > 0) trial.end('timeout', { detail: `${sent} echo requests were sent` })
    else trial.end('local-error', { detail: `ping sent nothing: ${excerpt(output.trim())}` })
  })
}

/** What the kernel knows of a path: its MTU where that differs from the interface's, and whether a router has told it. */
interface KnownPath {
  mtu?: number
  told: boolean
}

/** Reads what `ip route get` prints; undefined where there is no route. */
export function readRoute(output: string): KnownPath | undefined {
  if (!/\bdev \S/.test(output)) return undefined
  const [, mtu] = /\bmtu (?:lock )?(\d+)/.exec(output) ?? []
  // What is told is forgotten again, ten minutes later; what a route has by itself is not.
  return { ...(mtu === undefined ? {} : { mtu: Number(mtu) }), told: /\bexpires \d/.test(output) }
}

/** A router's word is there after one round trip. In milliseconds. */
const tellMs = 200

/** How to ask what the kernel knows of a path, beside the MTU of the interface; undefined, and the trial ended, without one. */
function pathFrom(
  host: string,
  toolsPort: number,
  trial: Trial,
): { ownMtu: number; askRoute: (use: (path: KnownPath) => void) => void } | undefined {
  trial.phase = 'answer'
  trial.seen = {
    end: 'local-error',
    detail: 'the tools container did not say what the kernel knows of the path',
  }
  const ownMtu = interfaceMtu()
  if (ownMtu === undefined) {
    trial.end('local-error', { detail: 'no interface, so no MTU' })
    return undefined
  }
  return {
    ownMtu,
    askRoute: (use) =>
      runInTools(['ip', '-o', 'route', 'get', host], toolsPort, trial, (output) => {
        const path = readRoute(output)
        if (path === undefined) trial.end('local-error', { detail: `no route: ${excerpt(output.trim())}` })
        else use(path)
      }),
  }
}

/** Sends datagrams that just fit the path, and looks whether anybody on it says that they do not. */
export function probePathMtu(probe: Of<'path-mtu'>, toolsPort: number, trial: Trial): void {
  const { host, nonces, port } = probe
  const from = pathFrom(host, toolsPort, trial)
  if (from === undefined) return
  const { ownMtu, askRoute } = from
  askRoute(({ mtu = ownMtu }) =>
    withSocket(host, trial, (socket) => {
      for (const nonce of nonces) {
        trial.sent()
        socket.send(filled(nonce, host, mtu), port, host, (error) => {
          if (error !== null) trial.fail(error)
        })
      }
      trial.after(tellMs, () =>
        askRoute((after) => {
          const told = after.told && after.mtu !== undefined ? { told: after.mtu } : {}
          trial.end('answered', { path: { interfaceMtu: ownMtu, mtu, ...told } })
        }),
      )
    }),
  )
}

/**
 * Reads what socat tells of one datagram, of its own version as of that of Alpine, whose C library has other words for
 * EMSGSIZE; undefined where it tells neither.
 */
export function readOversize(output: string): 'refused' | 'sent' | undefined {
  if (/ E send\w*\(.*: Message too (?:long|large)/.test(output)) return 'refused'
  return / [IN] transferred \d+ bytes /.test(output) ? 'sent' : undefined
}

/** Level, number and value of IP_MTU_DISCOVER and IPV6_MTU_DISCOVER: DF on every packet, and none is cut (IP_PMTUDISC_DO). */
const neverCut = { v4: '0:10:2', v6: '41:23:2' } as const

/** A program that sends one datagram of so many bytes, which nobody may cut. Node.js has no word for that. */
function uncutDatagram(host: string, port: number, bytes: number): string[] {
  const isV6 = host.includes(':')
  const to = isV6 ? `UDP6-SENDTO:[${host}]:${port}` : `UDP4-SENDTO:${host}:${port}`
  const source = `OPEN:/dev/zero,readbytes=${bytes}`
  const told = ['-d', '-d', '-d']
  return [
    'socat',
    ...told,
    '-u',
    '-b',
    String(bytes),
    source,
    `${to},setsockopt-int=${neverCut[isV6 ? 'v6' : 'v4']}`,
  ]
}

/** Sends what is one byte too long for the interface or for the path, whichever takes less, and may not be cut. */
export function probeOverMtu({ host, port }: Of<'over-mtu'>, toolsPort: number, trial: Trial): void {
  const from = pathFrom(host, toolsPort, trial)
  if (from === undefined) return
  const { ownMtu, askRoute } = from
  askRoute(({ mtu = ownMtu }) => {
    const bytes = Math.min(ownMtu, mtu) + 1
    trial.sent()
    runInTools(uncutDatagram(host, port, bytes - headersOf(host)), toolsPort, trial, (output) => {
      const seen = readOversize(output)
      if (seen === undefined)
        return trial.end('local-error', { detail: `socat sent nothing: ${excerpt(output.trim())}` })
      trial.end('answered', {
        path: { interfaceMtu: ownMtu, mtu, oversize: { bytes, refused: seen === 'refused' } },
      })
    })
  })
}
