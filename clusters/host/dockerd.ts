import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { awaitUntil } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { SetupError, messageOf } from '../../helpers/errors.ts'
import { lastLines, run } from '../../helpers/exec.ts'
import type { Step } from '../../helpers/progress.ts'
import { lookAtDocker } from './docker-look.ts'
import type { DockerServer } from './docker-look.ts'
import { readText } from './facts.ts'

/** What a dockerd that we started writes. */
const dockerdLog = '/var/log/cni-conformance-dockerd.log'

const pidFile = '/var/run/docker.pid'

/**
 * Starts Docker's daemon: by systemd where it runs, else as a process of its own that outlives us.
 * Two of us at once do no harm: the second daemon gives up on the pid file and both wait for the first.
 *
 * @throws {SetupError} with the end of the daemon's log
 */
export async function startDockerd(options: { systemd: boolean; step: Step }): Promise<DockerServer> {
  if (options.systemd) return await startBySystemd(options.step)
  await removeStalePidFile()
  const exited = spawnDockerd()
  return await awaitServer(options.step, async () => {
    if (!exited.done || (await dockerdRuns())) return
    throw dockerdFailed(exited.how, (await readText(dockerdLog))?.slice(exited.logFrom))
  })
}

/** Tells a running daemon to read its configuration again; runtimes and the default runtime need no restart. */
export async function reloadDockerd(step: Step, defaultRuntime: string): Promise<DockerServer> {
  const pid = (await readText(pidFile))?.trim()
  if (pid === undefined) throw dockerdFailed('has no pid file to send a reload to', undefined)
  process.kill(Number(pid), 'SIGHUP')
  return await awaitServer(
    step,
    async () => undefined,
    (server) => server.defaultRuntime === defaultRuntime,
  )
}

async function startBySystemd(step: Step): Promise<DockerServer> {
  try {
    await run(['systemctl', 'start', 'docker'], { timeoutMs: budgets.dockerStartMs.ms })
  } catch (cause) {
    throw new SetupError({
      what: 'Docker did not start',
      seen: messageOf(cause),
      next: 'look into `journalctl -u docker`',
      cause,
    })
  }
  return await awaitServer(step, async () => undefined)
}

function spawnDockerd(): { done: boolean; how: string; logFrom: number } {
  const log = openSync(dockerdLog, 'a')
  const exited = { done: false, how: '', logFrom: fstatSync(log).size }
  const child = spawn('dockerd', [], { cwd: '/', detached: true, stdio: ['ignore', log, log] })
  closeSync(log)
  child.once('error', (error) =>
    Object.assign(exited, { done: true, how: `could not be started: ${error.message}` }),
  )
  child.once('exit', (code, signal) =>
    Object.assign(exited, { done: true, how: `ended with ${signal ?? code}` }),
  )
  child.unref()
  return exited
}

/** A machine that was switched off leaves the file where /run is on disk, and dockerd believes in any live pid there. */
async function removeStalePidFile(): Promise<void> {
  if ((await readText(pidFile)) !== undefined && !(await dockerdRuns())) await rm(pidFile, { force: true })
}

async function dockerdRuns(): Promise<boolean> {
  const pid = (await readText(pidFile))?.trim()
  return pid !== undefined && (await readText(`/proc/${pid}/comm`))?.trim() === 'dockerd'
}

async function awaitServer(
  step: Step,
  stillAlive: () => Promise<void>,
  wanted: (server: DockerServer) => boolean = () => true,
): Promise<DockerServer> {
  const found = await awaitUntil<DockerServer | SetupError>(
    async () => {
      const look = await lookAtDocker()
      if (look.state === 'answers' && wanted(look.server)) return { done: true, value: look.server }
      // Thrown inside a look this would count as "not yet".
      const failure = await stillAlive().then(
        () => undefined,
        (error: unknown) => error,
      )
      if (failure !== undefined) return { done: true, value: failure as SetupError }
      return { done: false, seen: look.state === 'answers' ? 'the old configuration' : look.seen }
    },
    {
      what: "Docker's daemon to answer",
      budget: budgets.dockerStartMs,
      next: `look into ${dockerdLog}`,
      everyMs: 200,
      onSeen: (seen) => step.update(seen),
    },
  )
  if (found instanceof SetupError) throw found
  return found
}

function dockerdFailed(how: string, log: string | undefined): SetupError {
  return new SetupError({
    what: `Docker's daemon ${how}`,
    seen: log === undefined ? '' : lastLines(log, 5),
    next: `look into ${dockerdLog}; start \`dockerd\` by hand to see what it needs`,
  })
}
