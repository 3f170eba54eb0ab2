import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sleep } from './await.ts'
import { outcomeSchema, type Outcome } from './observation.ts'
import { messageOf } from './errors.ts'
import { legHandleFile } from './leg-handle.ts'
import { ownModule } from './own-module.ts'

/** What became of a leg: it ran, or why not. */
export type LegState =
  | { state: 'ran'; cluster: string; handleFile: string; outcomes: Outcome[] }
  | { state: 'failed'; cluster: string; reason: string }

/** A run whose cluster stays until {@link stop}. */
export interface HeldRun {
  leg: LegState
  /** Process that owns the cluster. */
  pid: number | undefined
  /** Lets the run delete its cluster; resolves to its exit code when all is gone. */
  stop(): Promise<number | null>
}

const main = ownModule('../cli/main', import.meta.url)

/**
 * Starts `cni-conformance test <cluster> --hold` in a process of its own, which owns the cluster and keeps it until
 * its standard input closes: also when this process is killed. Resolves when the run has its outcomes; never rejects.
 */
export async function startHeldRun(cluster: string): Promise<HeldRun> {
  const folder = await mkdtemp(join(tmpdir(), 'cni-conformance-held-'))
  const runner = spawn(process.execPath, [main, 'test', cluster, '--hold', '--report-dir', folder], {
    stdio: ['pipe', 'inherit', 'inherit'],
  })
  const exited = once(runner, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const stop = async (): Promise<number | null> => {
    runner.stdin?.end()
    const [code] = await exited
    await rm(folder, { recursive: true, force: true })
    return code
  }
  try {
    return { leg: await legState(cluster, folder, runner), pid: runner.pid, stop }
  } catch (error) {
    return { leg: { state: 'failed', cluster, reason: messageOf(error) }, pid: runner.pid, stop }
  }
}

/** The checks are done when run.json is there; a runner that ends without one has said why on standard error. */
async function legState(cluster: string, folder: string, runner: ChildProcess): Promise<LegState> {
  const runFile = join(folder, 'run.json')
  while (!(await exists(runFile))) {
    if (runner.exitCode !== null || runner.signalCode !== null) {
      const reason = `the run ended with exit code ${runner.exitCode ?? runner.signalCode}, its message is above`
      return { state: 'failed', cluster, reason }
    }
    await sleep(100)
  }
  const run = JSON.parse(await readFile(runFile, 'utf8')) as {
    legs: { outcomes: unknown[]; setupFailure?: { what: string; seen?: string } }[]
  }
  const [leg] = run.legs
  if (leg === undefined) return { state: 'failed', cluster, reason: 'the run has no leg' }
  if (leg.setupFailure !== undefined) {
    return { state: 'failed', cluster, reason: `${leg.setupFailure.what}: ${leg.setupFailure.seen ?? ''}` }
  }
  const outcomes = leg.outcomes.map((outcome) => outcomeSchema.parse(outcome))
  return { state: 'ran', cluster, handleFile: join(folder, cluster, legHandleFile), outcomes }
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch {
    return false
  }
}
