import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { exitCodes, messageOf } from '../helpers/errors.ts'
import type { Progress } from '../helpers/progress.ts'
import type { Journal } from '../reports/journal.ts'
import type { Abort, Run } from '../reports/model.ts'
import { renderRun } from '../reports/terminal.ts'
import { writeReports } from '../reports/write.ts'
import { runLeg } from './leg.ts'
import { dryRun } from './dry-run.ts'
import { givenCluster } from './given-cluster.ts'
import { sweepLeftovers } from './leftovers.ts'
import { keptCluster } from './kept-cluster.ts'
import { madeCluster } from './made-cluster.ts'
import type { TestOptions } from './options.ts'
import { reportedRun, type RunContext } from './reported-run.ts'
import { legLog, readMachine } from './run-log.ts'
import type { ClusterSource, TakeDown } from './source.ts'

/** `test`: each leg from nothing to nothing, one after the other. Returns the exit code. */
export async function testCommand(options: TestOptions): Promise<number> {
  const { given, clusters, checks, filter, on } = options
  const sources: ClusterSource[] =
    given !== undefined
      ? [givenCluster(given, clusters[0])]
      : clusters.map((cluster) =>
          on === undefined ? madeCluster(cluster, options) : keptCluster(cluster, on),
        )
  if (given?.dryRun === true) return dryRun(given, clusters[0], checks)
  const plan = {
    ...options,
    clusters: sources.map(({ cluster }) => cluster),
    checks,
    filter,
    ...(given === undefined ? {} : { withoutDocker: true as const }),
  }
  return reportedRun(plan, renderRun, (context) => new TestRun(options, sources, context).toTheEnd())
}

/** One run: its legs, what ends it early, and the reports that are written whatever happens. */
class TestRun {
  readonly #options: TestOptions
  readonly #sources: readonly ClusterSource[]
  readonly #runId: string
  readonly #folder: string
  readonly #progress: Progress
  readonly #journal: Journal
  readonly #abort = new AbortController()
  /** What the leg has made that is under way. */
  #lent: TakeDown | undefined

  constructor(
    options: TestOptions,
    sources: readonly ClusterSource[],
    { runId, folder, progress, journal }: RunContext,
  ) {
    this.#options = options
    this.#sources = sources
    this.#runId = runId
    this.#folder = folder
    this.#progress = progress
    this.#journal = journal
  }

  async toTheEnd(): Promise<Run> {
    const timer = this.#limitTime()
    const unlisten = this.#listenForSignals()
    try {
      if (!this.#isGiven) await sweepLeftovers(this.#progress)
      for (const source of this.#sources) {
        if (!this.#abort.signal.aborted) await this.#runLeg(source)
      }
    } finally {
      clearTimeout(timer)
      unlisten()
    }
    this.#journal.emit({ type: 'run-ended' })
    return this.#report()
  }

  /** The cluster stands already: this machine has no part in it. */
  get #isGiven(): boolean {
    return this.#options.given !== undefined
  }

  async #runLeg(source: ClusterSource): Promise<void> {
    const { name } = source.cluster
    const log = legLog(this.#journal, name, this.#progress)
    const { hold, keep, checks } = this.#options
    const leg = {
      runId: this.#runId,
      folder: join(this.#folder, name),
      checks,
      log,
      signal: this.#abort.signal,
      say: (line: string) => this.#say(line),
      ...(process.stdin.isTTY && !hold ? { ask } : {}),
    }
    try {
      await runLeg(source, leg, (takeDown) => (this.#lent = takeDown))
    } catch (error) {
      // Ended by us: what broke then is not the cause.
      if (!this.#abort.signal.aborted) log.failed(error)
    }
    let green: boolean | undefined
    try {
      if (!this.#isGiven) this.#journal.emit({ type: 'machine', machine: await readMachine() })
      green = this.#report()
        .legs.find((leg) => leg.cluster.name === name)
        ?.outcomes.every(({ outcome }) => outcome !== 'failed' && outcome !== 'not-run')
      if (hold) await this.#stdinClosed()
    } finally {
      // Also when the report cannot be written.
      await this.#takeDown(keep === 'always' || (keep === 'on-failure' && green !== true))
    }
  }

  /** A line that stays, also for a user who wants no progress. */
  #say(line: string): void {
    if (this.#options.quiet) process.stderr.write(`${line}\n`)
    else this.#progress.note(line)
  }

  /** Deletes what the leg has made or leaves it to the user. A deletion that fails says nothing about the network. */
  async #takeDown(keep: boolean): Promise<void> {
    const lent = this.#lent
    this.#lent = undefined
    if (lent === undefined) return
    if (keep && !this.#abort.signal.aborted) {
      this.#progress.note(`kept ${lent.what}; ${await lent.keep()}`)
      return
    }
    try {
      await lent.delete()
    } catch (error) {
      this.#say(`not deleted yet: ${lent.what}; ${lent.byHand}:\n${messageOf(error)}`)
    }
  }

  #report(): Run {
    const run = this.#journal.run()
    writeReports(run, this.#folder)
    return run
  }

  /** First signal: the report at once, then the deletion. Second signal: out; the reaper deletes, or what is left expires. */
  #listenForSignals(): () => void {
    const onSignal = (signal: 'SIGINT' | 'SIGTERM'): void => {
      if (this.#abort.signal.aborted) process.exit(signal === 'SIGINT' ? exitCodes.sigint : exitCodes.sigterm)
      const then = this.#isGiven
        ? 'leaves what the run has made until it expires'
        : 'leaves that to the reaper'
      this.#progress.note(
        `${signal}: writing the report and deleting what the run has made; once more ${then}`,
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
