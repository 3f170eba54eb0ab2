import { join } from 'node:path'
import pLimit from 'p-limit'
import type { LoadedDefinition } from '../clusters/definition.ts'
import { capacityFor, readCapacityMachine } from '../clusters/host/capacity.ts'
import { ensureDocker } from '../clusters/host/docker.ts'
import { MemoryMeter } from '../clusters/host/memory-meter.ts'
import { preflight } from '../clusters/host/preflight.ts'
import { defaultCacheDir, prepareImages } from '../clusters/images/prepare.ts'
import { sizeOf } from '../clusters/runnable.ts'
import { exitCodes } from '../helpers/errors.ts'
import type { Progress } from '../helpers/progress.ts'
import type { Journal } from '../reports/journal.ts'
import type { Run } from '../reports/model.ts'
import { mebibytes } from '../reports/summary.ts'
import { renderOverview } from '../reports/terminal.ts'
import { verdictOf } from '../reports/verdict.ts'
import { writeReports } from '../reports/write.ts'
import { LegFollower } from './leg-follower.ts'
import { forgetReports, runLegProcess, type RunningLeg } from './leg-process.ts'
import { sweepLeftovers } from './leftovers.ts'
import type { MatrixOptions } from './options.ts'
import { reportedRun, type RunContext } from './reported-run.ts'
import { shownFolder } from './run-folder.ts'
import { declaredCluster, failureOf, readMachine } from './run-log.ts'
import { ask } from './test.ts'

/**
 * `matrix`: legs as processes of their own, as many at once as the machine carries, and one report. Returns the exit
 * code.
 */
export async function matrixCommand(options: MatrixOptions): Promise<number> {
  const plan = { ...options, clusters: options.clusters.map(declaredCluster) }
  return reportedRun(plan, renderOverview, (context) => new MatrixRun(options, context).toTheEnd())
}

/** A leg that is not green ends its step of the progress as failed. */
class NotGreen extends Error {}

/** One matrix: its legs side by side, and a report of all of them whatever happens. */
class MatrixRun {
  readonly #options: MatrixOptions
  readonly #folder: string
  readonly #progress: Progress
  readonly #journal: Journal
  readonly #abort = new AbortController()
  readonly #running = new Set<RunningLeg>()

  constructor(options: MatrixOptions, { folder, progress, journal }: RunContext) {
    this.#options = options
    this.#folder = folder
    this.#progress = progress
    this.#journal = journal
  }

  async toTheEnd(): Promise<Run> {
    const unlisten = this.#listenForSignals()
    try {
      // Also of legs that will not come to their start.
      for (const { definition } of this.#options.clusters)
        await forgetReports(join(this.#folder, definition.name))
      await sweepLeftovers(this.#progress)
      const shim = await this.#trying(this.#options.clusters, 'host', () => this.#prepareHost())
      if (shim !== undefined) await this.#runLegs(await this.#prepareImages(shim.path))
    } finally {
      unlisten()
    }
    this.#journal.emit({ type: 'run-ended' })
    return this.#report()
  }

  /** Docker, for all legs: three that find none would install it three times. */
  async #prepareHost(): Promise<{ path: string | undefined }> {
    const { shim } = await ensureDocker({
      install: this.#options.install,
      cacheDir: defaultCacheDir(),
      progress: this.#progress,
      ...(process.stdin.isTTY ? { ask } : {}),
    })
    this.#journal.emit({ type: 'machine', machine: await readMachine() })
    return { path: shim }
  }

  /**
   * Makes what each leg needs, before the first one starts. Side by side would be safe, the cache locks what it makes;
   * but then a leg that waits for another's image would hold memory and time that its budget knows nothing of.
   *
   * @returns the legs whose images are there
   */
  async #prepareImages(shim: string | undefined): Promise<LoadedDefinition[]> {
    const byRequest = Map.groupBy(this.#options.clusters, ({ definition: { kubernetes, cni } }) =>
      JSON.stringify([kubernetes, cni.name, cni.version]),
    )
    const ready: LoadedDefinition[] = []
    for (const clusters of byRequest.values()) {
      const [{ definition } = { definition: undefined }] = clusters
      if (definition === undefined || this.#abort.signal.aborted) continue
      const { kubernetes, cni } = definition
      const prepared = await this.#trying(clusters, 'prepare', () =>
        this.#progress.step(`images for ${cni.name} ${cni.version}, Kubernetes ${kubernetes}`, (step) =>
          prepareImages(
            { kubernetes, cni },
            {
              provider: this.#options.images,
              progress: step,
              cacheDir: defaultCacheDir(),
              install: this.#options.install,
              signal: this.#abort.signal,
              ...(shim === undefined ? {} : { shim }),
            },
          ),
        ),
      )
      if (prepared !== undefined) ready.push(...clusters)
    }
    return this.#options.clusters.filter((cluster) => ready.includes(cluster))
  }

  /** Work for several legs, as a phase of each; what fails is the failed set-up of those legs, and of no other. */
  async #trying<T>(
    clusters: readonly LoadedDefinition[],
    phase: string,
    work: () => Promise<T>,
  ): Promise<T | undefined> {
    const asPhase = clusters.reduce(
      (inner, { definition }) =>
        () =>
          this.#journal.phase(definition.name, phase, inner),
      work,
    )
    try {
      return await asPhase()
    } catch (error) {
      if (!this.#abort.signal.aborted) {
        for (const { definition } of clusters)
          this.#journal.emit({ type: 'setup-failed', leg: definition.name, failure: failureOf(error, phase) })
      }
      return undefined
    }
  }

  async #runLegs(clusters: readonly LoadedDefinition[]): Promise<void> {
    if (clusters.length === 0 || this.#abort.signal.aborted) return
    const sizes = clusters.map(({ definition }) => sizeOf(definition))
    const machine = await readCapacityMachine()
    const { jobs, budgetMiB, nodes, limit } = capacityFor(sizes, machine, this.#options.jobs)
    this.#progress.note(
      `${clusters.length} legs, ${jobs} at once${limit === undefined ? '' : ` (${limit})`}: ${mebibytes(budgetMiB)} of memory planned, ${mebibytes(machine.memoryAvailableMiB)} available`,
    )
    // What the kernel lacks for one leg is that leg's own to say.
    const fits = await this.#trying(clusters, 'host', async () => {
      await preflight({ nodes, install: this.#options.install, progress: this.#progress })
      return true
    })
    if (fits === undefined) return
    const meter = new MemoryMeter(() => [...this.#running].flatMap(({ pid }) => pid ?? []))
    this.#journal.emit({ type: 'parallel', parallel: { jobs, budgetMiB } })
    const limited = pLimit(jobs)
    await Promise.all(clusters.map((cluster) => limited(() => this.#runLeg(cluster))))
    const peakMiB = await meter.stop()
    if (peakMiB !== undefined)
      this.#journal.emit({ type: 'parallel', parallel: { jobs, budgetMiB, peakMiB } })
  }

  async #runLeg({ definition: { name }, file }: LoadedDefinition): Promise<void> {
    if (this.#abort.signal.aborted) return
    const folder = join(this.#folder, name)
    const argv = ['test', file, `--report-dir=${folder}`, ...this.#options.legFlags]
    let running: RunningLeg | undefined
    const work = this.#progress.step(name, async (step) => {
      const follower = new LegFollower(name, this.#journal, (now) => step.update(now))
      const end = await runLegProcess(argv, {
        folder,
        onEvent: (event) => follower.take(event),
        onStart: (started) => this.#running.add((running = started)),
      })
      follower.processEnded(end, file, shownFolder(folder))
      if (this.#verdictOf(name).exitCode !== exitCodes.passed) throw new NotGreen()
    })
    await work.catch((error: unknown) => {
      if (!(error instanceof NotGreen)) throw error
    })
    if (running !== undefined) this.#running.delete(running)
    this.#progress.note(`  ${this.#verdictOf(name).text}`)
    this.#report()
  }

  #verdictOf(name: string): Run['verdict'] {
    return verdictOf(this.#journal.run().legs.filter(({ cluster }) => cluster.name === name))
  }

  #report(): Run {
    const run = this.#journal.run()
    writeReports(run, this.#folder)
    return run
  }

  /** First signal: the report at once, and the legs end in order. Second signal: all out, the reapers delete. */
  #listenForSignals(): () => void {
    const onSignal = (signal: 'SIGINT' | 'SIGTERM'): void => {
      const again = this.#abort.signal.aborted
      for (const { kill } of this.#running) kill(signal)
      if (again) process.exit(signal === 'SIGINT' ? exitCodes.sigint : exitCodes.sigterm)
      this.#progress.note(
        `${signal}: writing the report and deleting the clusters; once more leaves that to the reapers`,
      )
      this.#journal.emit({ type: 'aborted', by: signal })
      this.#abort.abort(new Error(`ended by ${signal}`))
      this.#report()
    }
    process.on('SIGINT', onSignal)
    process.on('SIGTERM', onSignal)
    return () => {
      process.off('SIGINT', onSignal)
      process.off('SIGTERM', onSignal)
    }
  }
}
