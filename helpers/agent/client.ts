import { budgets } from '../budgets.ts'
import { encodeLine, FrameReader } from './frames.ts'
import {
  protocolVersion,
  wireEnds,
  type Command,
  type Frame,
  type Waited,
  type WireProbe,
  type WireResult,
} from './protocol.ts'

/** The way to one agent. Whatever ends it is said once, through `onClose`. */
export interface AgentTransport {
  write(text: string): void
  onData(listener: (chunk: Uint8Array) => void): void
  /** `reason` is for a person: "the pod's exec stream ended: exit code 137". */
  onClose(listener: (reason: string) => void): void
  close(): void
}

/** What one batch brought. */
export interface BatchResult {
  /** By probe id. Each row came whole and in order; a probe without a row is `unknown`. */
  results: Map<number, WireResult>
  /** Every probe has its row. */
  complete: boolean
  /** Why rows are missing. */
  fault?: string
  /** Of the agent's server; absent where rows are missing. */
  waited?: Waited
}

/** Who answered at the other end of the stream. */
export type AgentHello = Omit<Extract<Frame, { type: 'hello' }>, 'seq' | 'type'>

/** Time limits in milliseconds; the budgets of the same names. */
export interface AgentLimits {
  helloMs: number
  silenceMs: number
  slackMs: number
}

const standardLimits: AgentLimits = {
  helloMs: budgets.agentHelloMs.ms,
  silenceMs: budgets.agentSilenceMs.ms,
  slackMs: budgets.batchSlackMs.ms,
}

interface Batch {
  asked: ReadonlySet<number>
  results: Map<number, WireResult>
  settle: (waited: Waited | undefined) => void
}

/**
 * The runner's end of one control stream. Trouble with the stream never throws once it is open: it ends the stream for
 * good, and this and every later batch says which rows are missing and why.
 */
export class AgentClient {
  readonly #transport: AgentTransport
  readonly #limits: AgentLimits
  readonly #reader = new FrameReader()
  readonly #greeting = Promise.withResolvers<AgentHello | undefined>()
  #hello: AgentHello | undefined
  #fault: string | undefined
  /** Those that are not over, by their number. */
  readonly #running = new Map<number, Batch>()
  #batches = 0
  #heardMs = performance.now()
  #silence: NodeJS.Timeout | undefined

  private constructor(transport: AgentTransport, limits: AgentLimits) {
    this.#transport = transport
    this.#limits = limits
    transport.onData((chunk) => this.#read(chunk))
    transport.onClose((reason) => this.#break(this.#reader.end() ?? reason))
  }

  /**
   * Waits for the agent's hello.
   *
   * @throws {Error} with the reason when none comes within the budget, or one of another version
   */
  static async open(transport: AgentTransport, limits: Partial<AgentLimits> = {}): Promise<AgentClient> {
    const client = new AgentClient(transport, { ...standardLimits, ...limits })
    const { helloMs } = client.#limits
    const timer = setTimeout(
      () => client.#break(`no hello from the agent within ${helloMs} ms (budget agentHelloMs)`),
      helloMs,
    )
    const hello = await client.#greeting.promise
    clearTimeout(timer)
    if (hello === undefined) throw new Error(client.#fault)
    client.#watchSilence(client.#limits.silenceMs)
    return client
  }

  /** Why the stream is unusable; undefined while it is whole. */
  get fault(): string | undefined {
    return this.#fault
  }

  get hello(): AgentHello {
    if (this.#hello === undefined) throw new Error('no hello yet')
    return this.#hello
  }

  /**
   * Sends the probes in one frame and waits for all rows, or for whatever goes wrong. Also without probes it asks the
   * agent, which shows that it is alive. Batches that are sent while others go on are asked beside them.
   *
   * @throws {Error} when two probes have the same id, which is a bug of the caller
   */
  runPlan(probes: readonly WireProbe[]): Promise<BatchResult> {
    const asked = new Set(probes.map(({ id }) => id))
    if (asked.size !== probes.length) throw new Error('two probes of one batch have the same id')
    return this.#run(probes, asked)
  }

  async #run(probes: readonly WireProbe[], asked: ReadonlySet<number>): Promise<BatchResult> {
    const results = new Map<number, WireResult>()
    if (this.#fault !== undefined) return { results, complete: false, fault: this.#fault }
    const { promise, resolve: settle } = Promise.withResolvers<Waited | undefined>()
    const number = (this.#batches += 1)
    this.#running.set(number, { asked, results, settle })
    const deadlineMs = this.#deadlineMs(probes)
    const timer = setTimeout(
      () => this.#break(`the batch was not done within ${deadlineMs} ms (budget batchSlackMs)`),
      deadlineMs,
    )
    this.#write({ type: 'plan', batch: number, probes })
    const waited = await promise
    clearTimeout(timer)
    if (waited !== undefined) return { results, complete: true, waited }
    return { results, complete: false, fault: this.#fault ?? 'the stream broke' }
  }

  /** Ends the stream and with it the agent's prober. */
  close(): void {
    if (this.#fault !== undefined) return
    this.#write({ type: 'end' })
    this.#break('the runner closed the stream')
  }

  /** The last to begin, the slowest probe, as many rounds of it as the agent needs for want of sockets, and the slack. */
  #deadlineMs(probes: readonly WireProbe[]): number {
    let [slowestMs, lastMs] = [0, 0]
    for (const probe of probes) {
      slowestMs = Math.max(slowestMs, probe.timeoutMs)
      if (probe.kind === 'dns') lastMs = Math.max(lastMs, probe.afterMs ?? 0)
    }
    const rounds = Math.max(1, Math.ceil(probes.length / this.hello.sockets))
    return lastMs + rounds * slowestMs + this.#limits.slackMs
  }

  #write(command: Command): void {
    this.#transport.write(encodeLine(command))
  }

  #read(chunk: Uint8Array): void {
    if (this.#fault !== undefined) return
    const { values, fault } = this.#reader.read(chunk)
    if (values.length > 0) this.#heardMs = performance.now()
    for (const frame of values) {
      const wrong = this.#accept(frame)
      if (wrong === undefined) continue
      this.#break(wrong)
      return
    }
    if (fault !== undefined) this.#break(`the agent's stream is broken: ${fault}`)
  }

  /** Takes one frame in; a string says why it cannot be. */
  #accept(frame: Frame): string | undefined {
    if (this.#hello === undefined && frame.type !== 'hello' && frame.type !== 'error') {
      return `the stream began with ${frame.type} instead of hello`
    }
    switch (frame.type) {
      case 'hello':
        return this.#greet(frame)
      case 'beat':
        return undefined
      case 'results':
        return this.#takeRows(frame)
      case 'done':
        return this.#finish(frame)
      case 'error':
        return `the agent gave up: ${frame.message}`
      default:
        return 'a frame of unknown type'
    }
  }

  #greet(frame: Extract<Frame, { type: 'hello' }>): string | undefined {
    const { seq: _seq, type: _type, ...hello } = frame
    if (this.#hello !== undefined) return 'a second hello in one stream'
    if (hello.version !== protocolVersion) {
      return `the agent speaks version ${String(hello.version)} of the protocol, the runner ${protocolVersion}`
    }
    if (!(hello.sockets >= 1)) return 'a hello without its number of sockets'
    this.#hello = hello
    this.#greeting.resolve(hello)
    return undefined
  }

  #takeRows(frame: Extract<Frame, { type: 'results' }>): string | undefined {
    const batch = this.#running.get(frame.batch)
    if (batch === undefined) return `results of batch ${String(frame.batch)}, which is not running`
    if (!Array.isArray(frame.results)) return 'a results frame without results'
    for (const result of frame.results) {
      if (!batch.asked.has(result.id)) return `a result for probe ${String(result.id)}, which was not asked`
      if (batch.results.has(result.id)) return `two results for probe ${result.id}`
      if (!wireEnds.includes(result.end)) return `a result that ends in "${result.end}"`
      batch.results.set(result.id, result)
    }
    return undefined
  }

  #finish(frame: Extract<Frame, { type: 'done' }>): string | undefined {
    const batch = this.#running.get(frame.batch)
    if (batch === undefined) return `batch ${String(frame.batch)} is done, which is not running`
    const rows = batch.results.size
    if (frame.count !== rows || rows !== batch.asked.size) {
      return `the agent is done with ${String(frame.count)} results; ${batch.asked.size} were asked, ${rows} came`
    }
    if (!(frame.waited?.toMs >= 0 && frame.waited.fromMs >= 0)) return 'a done without what its server waited'
    // Cleared here and not after the wait: the rest of this chunk must not be taken for this batch.
    this.#running.delete(frame.batch)
    batch.settle(frame.waited)
    return undefined
  }

  /** Checks after one more turn of the event loop, so that a runner that was itself held up first reads what has come. */
  #watchSilence(afterMs: number): void {
    const check = (): void => {
      if (this.#fault !== undefined) return
      const quietMs = performance.now() - this.#heardMs
      if (quietMs >= this.#limits.silenceMs) {
        this.#break(
          `the agent was silent for ${Math.round(quietMs)} ms (budget agentSilenceMs), no heartbeat`,
        )
      } else this.#watchSilence(this.#limits.silenceMs - quietMs)
    }
    this.#silence = setTimeout(() => setImmediate(check), afterMs)
  }

  /** The first fault ends everything; what was accepted before it stays. */
  #break(fault: string): void {
    if (this.#fault !== undefined) return
    this.#fault = fault
    clearTimeout(this.#silence)
    this.#greeting.resolve(undefined)
    for (const { settle } of this.#running.values()) settle(undefined)
    this.#running.clear()
    this.#transport.close()
  }
}
