import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import type { LoadedDefinition } from '../clusters/definition.ts'
import { exitCodes, messageOf } from '../helpers/errors.ts'
import type { Progress } from '../helpers/progress.ts'
import type { Journal } from '../reports/journal.ts'
import type { Abort, Run } from '../reports/model.ts'
import { renderRun } from '../reports/terminal.ts'
import { writeReports } from '../reports/write.ts'
import { runLeg, type TakeDown } from './leg.ts'
import { sweepLeftovers } from './leftovers.ts'
import type { TestOptions } from './options.ts'
import { reportedRun, type RunContext } from './reported-run.ts'
import { legLog, readMachine } from './run-log.ts'

/** `test`: each leg from nothing to nothing, one after the other. Returns the exit code. */
export async function testCommand(options: TestOptions): Promise<number> {
  return reportedRun(options, renderRun, (context) => new TestRun(options, context).toTheEnd())
}

/** One run: its legs, what ends it early, and the reports that are written whatever happens. */
class TestRun {
  readonly #options: TestOptions
  readonly #runId: string
  readonly #folder: string
  readonly #progress: Progress
  readonly #journal: Journal
  readonly #abort = new AbortController()
  /** The cluster of the leg that is under way. */
  #lent: TakeDown | undefined

  constructor(options: TestOptions, { runId, folder, progress, journal }: RunContext) {
    this.#options = options
    this.#runId = runId
    this.#folder = folder
    this.#progress = progress
    this.#journal = journal
  }

  async toTheEnd(): Promise<Run> {
    const timer = this.#limitTime()
    const unlisten = this.#listenForSignals()
    try {
      await sweepLeftovers(this.#progress)
      for (const cluster of this.#options.clusters) {
        if (!this.#abort.signal.aborted) await this.#runLeg(cluster)
      }
    } finally {
      clearTimeout(timer)
      unlisten()
    }
    this.#journal.emit({ type: 'run-ended' })
    return this.#report()
  }

  async #runLeg(cluster: LoadedDefinition): Promise<void> {
    const { name } = cluster.definition
    const log = legLog(this.#journal, name, this.#progress)
    const { hold, keep } = this.#options
    try {
      await runLeg(
        {
          cluster,
          options: this.#options,
          runId: this.#runId,
          folder: join(this.#folder, name),
          log,
          signal: this.#abort.signal,
          ...(process.stdin.isTTY && !hold ? { ask } : {}),
        },
        (takeDown) => (this.#lent = takeDown),
      )
    } catch (error) {
      // Ended by us: what broke then is not the cause.
      if (!this.#abort.signal.aborted) log.failed(error)
    }
    let green: boolean | undefined
    try {
      this.#journal.emit({ type: 'machine', machine: await readMachine() })
      green = this.#report()
        .legs.find((leg) => leg.cluster.name === name)
        ?.outcomes.every(({ outcome }) => outcome !== 'failed' && outcome !== 'not-run')
      if (hold) await this.#stdinClosed()
    } finally {
      // Also when the report cannot be written.
      await this.#takeDown(keep === 'always' || (keep === 'on-failure' && green !== true))
    }
  }

  /** Deletes the leg's cluster or leaves it to the user. A deletion that fails says nothing about the network. */
  async #takeDown(keep: boolean): Promise<void> {
    const lent = this.#lent
    this.#lent = undefined
    if (lent === undefined) return
    if (keep && !this.#abort.signal.aborted) {
      await lent.keep()
      this.#progress.note(
        `kept cluster ${lent.cluster}; KUBECONFIG=${lent.kubeconfig}; \`cni-conformance clean\` deletes it`,
      )
      return
    }
    try {
      await lent.delete()
    } catch (error) {
      this.#progress.note(
        `cluster ${lent.cluster} is not deleted yet, \`cni-conformance clean\` tries again:\n${messageOf(error)}`,
      )
    }
  }

  #report(): Run {
    const run = this.#journal.run()
    writeReports(run, this.#folder)
    return run
  }

  /** First signal: the report at once, then the cluster. Second signal: out, the reaper deletes. */
  #listenForSignals(): () => void {
    const onSignal = (signal: 'SIGINT' | 'SIGTERM'): void => {
      if (this.#abort.signal.aborted) process.exit(signal === 'SIGINT' ? exitCodes.sigint : exitCodes.sigterm)
      this.#progress.note(
        `${signal}: writing the report and deleting the cluster; once more leaves that to the reaper`,
      )
      this.#abortBy(signal)
    }
    // A leg of a matrix ends with the matrix, however that ends; until then the channel to it keeps nobody waiting.
    const onOrphaned = (): void => {
      if (!this.#abort.signal.aborted) onSignal('SIGTERM')
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
    process.on('disconnect', onOrphaned)
    process.channel?.unref()
    return () => {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
      process.off('disconnect', onOrphaned)
    }
  }

  #limitTime(): NodeJS.Timeout | undefined {
    const { timeoutMs } = this.#options
    return timeoutMs === undefined ? undefined : setTimeout(() => this.#abortBy('timeout'), timeoutMs)
  }

  #abortBy(by: Abort): void {
    this.#journal.emit({ type: 'aborted', by })
    this.#abort.abort(new Error(by === 'timeout' ? 'the time of --timeout is over' : `ended by ${by}`))
    // The report now: a CI system kills us seconds later. It is written again when the cluster is gone.
    this.#report()
  }

  /** For --hold: until the other end of the pipe closes, also because the process there died, or a signal comes. */
  async #stdinClosed(): Promise<void> {
    const { signal } = this.#abort
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      for (const event of ['end', 'close', 'error']) process.stdin.once(event, () => resolve())
      signal.addEventListener('abort', () => resolve(), { once: true })
      process.stdin.resume()
    })
    process.stdin.destroy()
  }
}

/** Asks the user on the terminal. */
export async function ask(question: string): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim())
  } finally {
    lines.close()
  }
}
