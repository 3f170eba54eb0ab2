import { Exec, type KubeConfig, type V1Status } from '@kubernetes/client-node'
import { Readable, Writable } from 'node:stream'
import { sleep } from '../await.ts'
import { budgets, type Budget } from '../budgets.ts'
import { messageOf, UsageError } from '../errors.ts'
import type { AgentTransport } from './client.ts'
import { ExecInput, type ExecSocket } from './exec-input.ts'

/** Which container runs what. */
export interface ExecTarget {
  namespace: string
  pod: string
  container: string
  command: readonly string[]
}

/** What a command in a container left. Without `exitCode` nothing is known about its end, and `fault` says why. */
export interface ExecResult {
  stdout: string
  stderr: string
  exitCode: number | undefined
  fault?: string
}

/** How a stream ended: with the command's exit code, or with what broke it. */
type ExecEnd = { exitCode: number } | { fault: string }

interface Sinks {
  stdout(chunk: Buffer): void
  stderr(chunk: Buffer): void
  /** Called exactly once, after the last chunk. */
  end(end: ExecEnd): void
}

interface OpenExec {
  write(text: string): void
  /** Closes stdin, gives the command a moment to see it, then drops the connection. */
  close(): void
}

/** What execOnce keeps of each output; evidence is text for a person. */
const maxOutputBytes = 8 * 1024 * 1024
/** After this the connection is cut, closed or not: a socket left open keeps the process alive (client-node#713). */
const closeGraceMs = 500

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ : the library puts names into the URL as they are. */
const dnsLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const dnsSubdomain = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/

/**
 * Opens the control stream: runs the agent's prober in the container, its stdin and stdout on one websocket.
 *
 * @throws {Error} naming the container, when the stream cannot be opened within the budget
 * @throws {UsageError} for a name that is none
 */
export async function openExecStream(
  config: KubeConfig,
  target: ExecTarget,
  budget: Budget = budgets.agentHelloMs,
): Promise<AgentTransport> {
  let onData: ((chunk: Uint8Array) => void) | undefined
  let onClose: ((reason: string) => void) | undefined
  let early: Buffer[] = []
  let reason: string | undefined
  let said = ''
  const exec = await openExec(config, target, budget, {
    stdout: (chunk) => (onData === undefined ? void early.push(chunk) : onData(chunk)),
    stderr: (chunk) => void (said = (said + chunk.toString()).slice(-500)),
    end(end) {
      const how = 'fault' in end ? end.fault : `the agent ended with exit code ${end.exitCode}`
      reason = `exec stream of ${nameOf(target)}: ${how}${said === '' ? '' : `: ${said.trim()}`}`
      onClose?.(reason)
    },
  })
  return {
    ...exec,
    onData(listener) {
      onData = listener
      for (const chunk of early) listener(chunk)
      early = []
    },
    onClose(listener) {
      onClose = listener
      if (reason !== undefined) listener(reason)
    },
  }
}

/**
 * Runs one command to its end. Never throws for what happens on the way: `fault` says it, what was printed until
 * then is kept.
 *
 * @param budget for everything from the connection to the exit code
 * @throws {UsageError} for a name that is none
 */
export async function execOnce(
  config: KubeConfig,
  namespace: string,
  pod: string,
  container: string,
  argv: readonly string[],
  budget: Budget,
): Promise<ExecResult> {
  const target = { namespace, pod, container, command: argv }
  checkNames(target)
  const [stdout, stderr] = [new Output(), new Output()]
  const { promise, resolve } = Promise.withResolvers<ExecEnd>()
  const fault = `${argv[0]} in ${nameOf(target)} did not end within ${budget.ms} ms (budget ${budget.name})`
  const timer = setTimeout(() => resolve({ fault }), budget.ms)
  let exec: OpenExec | undefined
  try {
    exec = await openExec(config, target, budget, {
      stdout: (chunk) => stdout.add(chunk),
      stderr: (chunk) => stderr.add(chunk),
      end: resolve,
    })
  } catch (error) {
    resolve({ fault: messageOf(error) })
  }
  const end = await promise
  clearTimeout(timer)
  exec?.close()
  const printed = { stdout: stdout.text(), stderr: stderr.text() }
  return 'fault' in end
    ? { ...printed, exitCode: undefined, fault: end.fault }
    : { ...printed, exitCode: end.exitCode }
}

/** The first megabytes of an output. */
class Output {
  readonly #chunks: Buffer[] = []
  #bytes = 0

  add(chunk: Buffer): void {
    if (this.#bytes < maxOutputBytes) this.#chunks.push(chunk)
    this.#bytes += chunk.length
  }

  text(): string {
    const text = Buffer.concat(this.#chunks).toString('utf8')
    return this.#bytes > maxOutputBytes ? `${text}\n[cut: ${this.#bytes} bytes in all]` : text
  }
}

const nameOf = ({ namespace, pod, container }: ExecTarget): string => `${namespace}/${pod}/${container}`

function checkNames(target: ExecTarget): void {
  const { namespace, pod, container } = target
  if (dnsLabel.test(namespace) && dnsSubdomain.test(pod) && dnsLabel.test(container)) return
  throw new UsageError(
    `not names of a namespace, pod and container: ${JSON.stringify([namespace, pod, container])}`,
  )
}

/**
 * The library's exec, mended: it settles only on the status frame (client-node#714), reports neither close nor error
 * after the handshake, waits for the handshake without end, and may close this process's own stdio.
 */
async function openExec(
  config: KubeConfig,
  target: ExecTarget,
  budget: Budget,
  sinks: Sinks,
): Promise<OpenExec> {
  checkNames(target)
  let ended = false
  const end = (how: ExecEnd): void => {
    if (ended) return
    ended = true
    sinks.end(how)
  }
  const input = new ExecInput()
  const output = sinkOf((chunk) => sinks.stdout(chunk))
  const errors = sinkOf((chunk) => sinks.stderr(chunk))
  const exec = guardedExec(withHandshakeLimit(config, budget.ms), [output, errors], end)
  const { namespace, pod, container, command } = target
  const opening = exec.exec(
    namespace,
    pod,
    container,
    [...command],
    output,
    errors,
    input.stream,
    false,
    (status) => end(endOf(status)),
  )
  const socket = await withinBudget(opening, target, budget)
  input.attach(socket)
  socket.on('error', (error: Error) => end({ fault: `connection error: ${error.message}` }))
  socket.on('close', (code: number, why: Buffer) =>
    end({
      fault: `the connection was closed before the command ended (${code}${why.length > 0 ? ` ${why.toString()}` : ''})`,
    }),
  )
  return {
    write: (text) => input.write(text),
    close() {
      input.end()
      setTimeout(() => socket.terminate(), closeGraceMs).unref()
    },
  }
}

/** Waits for the handshake; a socket that opens too late is dropped. */
async function withinBudget(
  opening: Promise<ExecSocket>,
  target: ExecTarget,
  budget: Budget,
): Promise<ExecSocket> {
  const waiting = new AbortController()
  const late = sleep(budget.ms, waiting.signal).then(() => {
    void opening.then((socket) => socket.terminate()).catch(() => undefined)
    throw new Error(`no answer within ${budget.ms} ms (budget ${budget.name})`)
  })
  try {
    return await Promise.race([opening, late])
  } catch (error) {
    // The library rejects with the event of the websocket, which is no Error.
    throw new Error(
      `exec into ${nameOf(target)} could not be opened: ${(error as { message?: string }).message ?? String(error)}`,
      {
        cause: error,
      },
    )
  } finally {
    late.catch(() => undefined)
    waiting.abort()
  }
}

/** Same configuration; `ws` gives up a connection or handshake that stalls. */
function withHandshakeLimit(config: KubeConfig, handshakeTimeout: number): KubeConfig {
  const limited: KubeConfig = Object.create(config)
  limited.applyToHTTPSOptions = async (options) => {
    await config.applyToHTTPSOptions(options)
    Object.assign(options, { handshakeTimeout })
  }
  return limited
}

/** Bytes that the library cannot handle (an unknown channel, a status that is not JSON) end the stream, not the process. */
function guardedExec(
  config: KubeConfig,
  [stdout, stderr]: [Writable, Writable],
  end: (how: ExecEnd) => void,
): Exec {
  const exec = new Exec(config)
  const handler = exec.handler
  // On a close signal for a channel the handler would end process.stdout.
  Object.assign(handler, { streams: { stdin: Readable.from([]), stdout, stderr } })
  exec.handler = {
    connect: (path, onText, onBinary) =>
      handler.connect(path, onText, (channel, bytes) => {
        try {
          return onBinary?.(channel, bytes) ?? true
        } catch (error) {
          end({ fault: `unreadable message on channel ${channel}: ${messageOf(error)}` })
          return false
        }
      }),
  }
  return exec
}

function sinkOf(take: (chunk: Buffer) => void): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      take(chunk)
      done()
    },
  })
}

/** What the API server says about the command's end; only this frame tells that all output has come. */
function endOf(status: V1Status): ExecEnd {
  if (status.status === 'Success') return { exitCode: 0 }
  const code = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message
  if (code !== undefined && /^\d+$/.test(code)) return { exitCode: Number(code) }
  return { fault: status.message ?? `status ${String(status.reason)}` }
}
