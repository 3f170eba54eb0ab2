import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sleep } from '../helpers/await.ts'
import { messageOf } from '../helpers/errors.ts'
import { lastLines } from '../helpers/exec.ts'
import { ownModule } from '../helpers/own-module.ts'
import type { RunEvent } from '../reports/events.ts'
import { JournalTail } from '../reports/journal-tail.ts'

const program = ownModule('main', import.meta.url)

/** File in a leg's folder with all that its process printed. */
export const outputFile = 'output.log'

/** How often the journal of a leg is read on, in milliseconds: fast enough for a progress line. */
const everyMs = 200

/** How a leg's process ended. */
export interface LegEnd {
  /** In words: `ended with exit code 1`. */
  how: string
  /** The last lines that it printed. */
  printed: string
}

/** The process of a leg while it runs. */
export interface RunningLeg {
  /** Undefined when it did not start. */
  pid: number | undefined
  kill: (signal: NodeJS.Signals) => void
}

/** What {@link runLegProcess} is told. */
export interface LegProcessOptions {
  /** Folder of the leg's own report. */
  folder: string
  /** Told each event of its journal, in order; all of them before the end. */
  onEvent: (event: RunEvent) => void
  /** Told of the process, once it runs. */
  onStart: (running: RunningLeg) => void
  /** Another program, for tests. */
  program?: string
}

/**
 * Runs one leg as `cni-conformance <argv>` in a process of its own and follows its journal. In a session of its own,
 * too: a Ctrl-C in the terminal reaches us alone, and we pass it on once, because a second one means "at once". The
 * channel to it ends with us, however we end, and that ends the leg in order.
 *
 * Never rejects: whatever happens to the process is its end.
 */
export async function runLegProcess(argv: readonly string[], options: LegProcessOptions): Promise<LegEnd> {
  const { folder } = options
  try {
    await mkdir(folder, { recursive: true })
    await forgetReports(folder)
    return await follow(argv, options)
  } catch (error) {
    return { how: 'could not be followed', printed: messageOf(error) }
  }
}

/** Removes the reports of an earlier run from the folder of a leg: they must not be taken for those of this one. */
export async function forgetReports(folder: string): Promise<void> {
  const names = ['events.jsonl', 'run.json', 'junit.xml', 'summary.md', 'report.html', outputFile]
  for (const name of names) await rm(join(folder, name), { force: true })
}

async function follow(
  argv: readonly string[],
  { folder, onEvent, onStart, ...options }: LegProcessOptions,
): Promise<LegEnd> {
  const log = await open(join(folder, outputFile), 'w')
  const tail = new JournalTail(join(folder, 'events.jsonl'))
  const child = spawn(process.execPath, [options.program ?? program, ...argv], {
    stdio: ['ignore', log.fd, log.fd, 'ipc'],
    detached: true,
  })
  const ended = endOf(child)
  try {
    onStart({ pid: child.pid, kill: (signal) => void child.kill(signal) })
    let how: string | undefined
    while (how === undefined) {
      how = await Promise.race([ended, sleep(everyMs).then(() => undefined)])
      // Once more after the end: nothing that it wrote is left out.
      for (const event of await tail.read()) onEvent(event)
    }
    return { how, printed: lastLines(await readFile(join(folder, outputFile), 'utf8'), 8) }
  } catch (error) {
    // A journal that cannot be followed: nobody would know what the leg does, so it ends.
    child.kill('SIGTERM')
    await ended
    throw error
  } finally {
    await Promise.all([log.close(), tail.close()])
  }
}

async function endOf(child: ReturnType<typeof spawn>): Promise<string> {
  try {
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`
  } catch (error) {
    return `did not start: ${messageOf(error)}`
  }
}
