import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { SetupError } from '../../helpers/errors.ts'

/**
 * Runs `work` while holding an exclusive lock on a file, also against other processes.
 *
 * flock(1) holds the lock for a shell that reads from a pipe of ours. When this process dies, by whatever means, the
 * pipe closes and the kernel frees the lock: there are no stale locks to judge. flock(2) itself is out of reach of Node.js.
 *
 * @param onWait called once when somebody else holds the lock
 */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  options: { onWait?: () => void; signal?: AbortSignal | undefined } = {},
): Promise<T> {
  options.signal?.throwIfAborted()
  // No -o: the shell inherits the lock, so that killing flock alone does not free it.
  const holder = spawn('flock', ['--exclusive', path, '/bin/sh', '-c', 'echo held; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // Its own session: Ctrl-C in the terminal must not free the lock while we are still cleaning up.
    detached: true,
  })
  const ended = once(holder, 'exit').catch(() => undefined)
  const giveUp = (): void => {
    // The group: a flock that still waits has no shell yet, and reads nothing.
    if (holder.pid !== undefined) process.kill(-holder.pid)
  }
  const waiting = setTimeout(() => options.onWait?.(), 300)
  try {
    options.signal?.addEventListener('abort', giveUp)
    await held(holder, path).finally(() => options.signal?.removeEventListener('abort', giveUp))
    clearTimeout(waiting)
    return await work()
  } catch (error) {
    options.signal?.throwIfAborted()
    throw error
  } finally {
    clearTimeout(waiting)
    holder.stdin.end()
    if (holder.pid !== undefined) await ended
  }
}

async function held(holder: ReturnType<typeof spawn>, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (seen: string): void => {
      reject(
        new SetupError({
          what: `could not lock ${path}`,
          seen,
          next: 'install flock (apt-get install util-linux)',
        }),
      )
    }
    let printed = ''
    holder.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
    holder.stdout?.once('data', () => resolve())
    holder.once('error', (error) => failed(error.message))
    // 'close', not 'exit': only then is all that it printed there.
    holder.once('close', (code) => failed(`flock ended with exit code ${code}: ${printed.trim()}`))
  })
}
