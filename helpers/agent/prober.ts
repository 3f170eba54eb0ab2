import { randomInt } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import { probeBulk } from './bulk.ts'
import { readFacts } from './facts.ts'
import { HeldSockets } from './held-sockets.ts'
import { probeIdle } from './idle.ts'
import { serverPidFile, type Self } from './identity.ts'
import { probeConnect } from './probe-connect.ts'
import { probeDatagram, probeDnsUdp, probeToolsUdp, probeUdp } from './probe-datagram.ts'
import {
  probeBind,
  probeDnsTcp,
  probeHttp,
  probeTcp,
  probeToolsHttp,
  type PeerProbe,
} from './probe-stream.ts'
import { probeTls } from './probe-tls.ts'
import { probeOverMtu, probePathMtu, probePing } from './probe-tools.ts'
import type { Frame, WireProbe, WireResult } from './protocol.ts'
import { probeLookup, resolve } from './resolve.ts'
import { waitedMs } from './run-queue.ts'
import { Slots } from './slots.ts'
import { SourcePorts, portsPerRange } from './source-ports.ts'
import { Trial, type Found } from './trial.ts'

/** File descriptors kept for everything that is not a probe. */
const reservedFiles = 64
/**
 * Sockets opened before answers are looked at. All of a plan of 2,000, so that the last deadline starts soon after the
 * first (looking at answers in between cost 100 ms); bounded, so that a huge plan does not stop the heartbeat.
 */
const openedPerTurn = 4_096
/** Results are gathered this long, so that a plan's answers take a few frames and not one each. */
const gatherMs = 20

/** A frame before the stream has numbered it. */
export type FrameBody = Frame extends infer Each ? (Each extends Frame ? Omit<Each, 'seq'> : never) : never

/** What the prober needs to know of its surroundings. */
export interface ProberOptions {
  self: Self
  /** Where the tools container leaves its view. */
  directory: string | undefined
  /** Where the server hands out receipts. */
  receiptsSocket: string | undefined
  /** UDP and TCP port of DNS servers; 53 but in tests. */
  dnsPort: number
  /** Where the tools container serves on loopback. */
  toolsPort: number
  /** Probes at once; see {@link socketCap}. */
  sockets: number
}

/** How many sockets may be open at once: file descriptors less a reserve, and half of the source ports. */
export function socketCap(limits = '/proc/self/limits'): number {
  const files = Number(/^Max open files\s+(\d+)/m.exec(readFileSync(limits, 'utf8'))?.[1] ?? Infinity)
  return Math.max(1, Math.min(files - reservedFiles, portsPerRange / 2))
}

/** Runs plans: all probes of one at the same time, results sent as they settle. */
export class Prober {
  readonly #options: ProberOptions
  readonly #slots: Slots
  readonly #ports = { tcp: new SourcePorts(Math.random()), udp: new SourcePorts(Math.random()) }
  readonly #held = new HeldSockets()
  readonly #send: (frame: FrameBody) => void

  constructor(options: ProberOptions, send: (frame: FrameBody) => void) {
    this.#options = options
    this.#slots = new Slots(options.sockets)
    this.#send = send
  }

  /** Settles when the last result and `done` are handed to the stream. Never rejects. */
  async run(batch: number, probes: readonly WireProbe[]): Promise<void> {
    const serverWaitedMs = this.#serverWaitedMs()
    let gathered: WireResult[] = []
    let timer: NodeJS.Timeout | undefined
    const flush = (): void => {
      clearTimeout(timer)
      timer = undefined
      if (gathered.length > 0) this.#send({ type: 'results', batch, results: gathered })
      gathered = []
    }
    const running: Promise<void>[] = []
    for (const [index, probe] of probes.entries()) {
      if (index % openedPerTurn === openedPerTurn - 1) await nextTurn()
      running.push(
        this.#inTime(probe).then((result) => {
          gathered.push(result)
          timer ??= setTimeout(flush, gatherMs)
        }),
      )
    }
    await Promise.all(running)
    flush()
    const waited = { fromMs: serverWaitedMs, toMs: this.#serverWaitedMs() }
    this.#send({ type: 'done', batch, count: probes.length, waited })
  }

  /** Of the server of this pod, since it began; 0 where it has not said which process it is. */
  #serverWaitedMs(): number {
    const { directory } = this.#options
    if (directory === undefined) return 0
    try {
      return waitedMs(Number(readFileSync(serverPidFile(directory), 'utf8')))
    } catch {
      return 0
    }
  }

  /** Its time limit begins with the probe, not with the batch. */
  async #inTime(probe: WireProbe): Promise<WireResult> {
    if ('afterMs' in probe && probe.afterMs !== undefined) await pause(probe.afterMs)
    return this.#probe(probe)
  }

  async #probe(probe: WireProbe): Promise<WireResult> {
    const waitedMs = await this.#waitForSocket()
    const ports = this.#ports[transportOf(probe)]
    const range = 'toService' in probe ? 'service' : 'direct'
    const kept = 'sourcePort' in probe ? probe.sourcePort : undefined
    const trial = new Trial(probe.timeoutMs, () => kept ?? ports.take(range))
    try {
      this.#start(probe, trial)
    } catch (error) {
      trial.end('local-error', { detail: error instanceof Error ? error.message : String(error) })
    }
    // The last of the cleanups: the sockets are closed by then.
    trial.onEnd(() => this.#slots.give())
    const ending = await trial.ending
    if (waitedMs === undefined) return { id: probe.id, ...ending }
    const waited = `waited ${waitedMs} ms for one of ${this.#slots.count} sockets`
    return {
      id: probe.id,
      ...ending,
      detail: ending.detail === undefined ? waited : `${ending.detail}; ${waited}`,
    }
  }

  /** Milliseconds waited; undefined when there was a socket to be had at once. */
  async #waitForSocket(): Promise<number | undefined> {
    if (this.#slots.tryTake()) return undefined
    const queuedMs = performance.now()
    await this.#slots.take()
    return Math.round(performance.now() - queuedMs)
  }

  #start(probe: WireProbe, trial: Trial): void {
    switch (probe.kind) {
      case 'tcp':
      case 'udp':
      case 'http':
      case 'datagram':
      case 'tools-http':
      case 'tools-udp':
        return resolve(probe.host, trial, (address) =>
          this.#askPeer(probe, address, foundAs(address, probe), trial),
        )
      case 'connect':
        return resolve(probe.host, trial, (address) =>
          probeConnect(probe, address, foundAs(address, probe), trial),
        )
      case 'bulk':
        return resolve(probe.host, trial, (address) =>
          probeBulk(probe, address, foundAs(address, probe), trial),
        )
      case 'tls':
        return resolve(probe.host, trial, (address) =>
          probeTls(probe, address, foundAs(address, probe), trial),
        )
      case 'dns':
        return (probe.transport === 'tcp' ? probeDnsTcp : probeDnsUdp)(
          probe,
          randomInt(0x1_0000),
          this.#options.dnsPort,
          trial,
        )
      case 'bind':
        return probeBind(probe, trial)
      case 'ping':
        return probePing(probe, this.#options.toolsPort, trial)
      case 'path-mtu':
        return probePathMtu(probe, this.#options.toolsPort, trial)
      case 'over-mtu':
        return probeOverMtu(probe, this.#options.toolsPort, trial)
      case 'lookup':
        return probeLookup(probe, trial)
      case 'facts':
        return trial.end('answered', { facts: readFacts(this.#options.self, this.#options.directory) })
      case 'receipts':
        return askReceipts(this.#options.receiptsSocket, probe.nonces, trial)
      default:
        return trial.end('local-error', { detail: 'this agent knows no such probe' })
    }
  }

  #askPeer(probe: PeerProbe, address: string, found: Found, trial: Trial): void {
    if ('held' in probe && probe.held && probe.sourcePort !== undefined)
      return this.#held.ask({ ...probe, sourcePort: probe.sourcePort }, address, found, trial)
    if ('silentMs' in probe && probe.silentMs !== undefined)
      return probeIdle({ ...probe, silentMs: probe.silentMs }, address, found, trial)
    peerProbes[probe.kind](probe, address, found, trial)
  }
}

/** The address is told where it is not what was asked for. */
const foundAs = (address: string, { host }: { host: string }): Found => (address === host ? {} : { address })

function transportOf(probe: WireProbe): 'tcp' | 'udp' {
  if ('transport' in probe) return probe.transport
  if (probe.kind === 'connect') return probe.protocol === 'udp' ? 'udp' : 'tcp'
  return ['udp', 'datagram', 'tools-udp', 'path-mtu', 'over-mtu'].includes(probe.kind) ? 'udp' : 'tcp'
}

const peerProbes = {
  tcp: probeTcp,
  udp: probeUdp,
  http: probeHttp,
  datagram: probeDatagram,
  'tools-http': probeToolsHttp,
  'tools-udp': probeToolsUdp,
} as const

/** Asks this pod's server which datagrams have come. Whatever goes wrong here is local. */
function askReceipts(path: string | undefined, nonces: readonly string[], trial: Trial): void {
  if (path === undefined) return trial.end('local-error', { detail: 'AGENT_DIR is not set' })
  trial.seen = { end: 'local-error', detail: "this pod's own server did not say what it received" }
  trial.sent()
  const socket = connect(path, () => socket.write(`${JSON.stringify(nonces)}\n`))
  trial.onEnd(() => socket.destroy())
  let text = ''
  socket.setEncoding('utf8')
  socket.on('error', (error) => trial.end('local-error', { detail: `receipts: ${error.message}` }))
  socket.on('data', (chunk: string) => (text += chunk))
  socket.on('end', () => {
    try {
      trial.end('answered', { received: JSON.parse(text) as string[] })
    } catch {
      trial.end('local-error', { detail: 'receipts: the server broke off' })
    }
  })
}
