import { $ as zx, type ProcessOutput } from 'zx/core'

// A string shell keeps zx from spawning with `shell: true`, which prints DEP0190 on Node 24.
zx.shell = '/bin/bash'
zx.verbose = false

/** How {@link run} starts a process. */
export interface RunOptions {
  cwd?: string
  /** Added to the environment of this process; `undefined` removes a variable. */
  env?: Readonly<Record<string, string | undefined>>
  /** Written to standard input, which is then closed. */
  input?: string | Uint8Array
  /** Milliseconds until the command and all it has started are ended. */
  timeoutMs?: number
  /** Ends the command and all it has started; the call then throws the signal's reason. */
  signal?: AbortSignal
  /** Called with every complete line of stdout and stderr as it arrives. */
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void
  /** Told the pid once the process runs. */
  onSpawn?: (pid: number) => void
  /** Return a non-zero exit instead of throwing {@link CommandError}. */
  allowFailure?: boolean
}

/** What a finished process left. */
export interface RunResult {
  exitCode: number | null
  signal: string | null
  stdout: string
  stderr: string
}

/** A command failed; the message holds the command and the end of what it printed. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly argv: readonly string[]
  readonly result: RunResult
  readonly timedOut: boolean

  constructor(argv: readonly string[], result: RunResult, timeoutMs: number | undefined, timedOut: boolean) {
    const how = timedOut
      ? `did not end within ${timeoutMs} ms`
      : result.signal === null
        ? `ended with exit code ${result.exitCode}`
        : `was ended by ${result.signal}`
    const printed = lastLines(`${result.stdout}\n${result.stderr}`, 12)
    super(`${argv.join(' ')} ${how}${printed === '' ? '' : `\n${printed}`}`)
    this.argv = argv
    this.result = result
    this.timedOut = timedOut
  }
}

/** The last non-empty lines of a text, indented by two spaces. */
export function lastLines(text: string, count: number): string {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(-count)
    .map((line) => `  ${line}`)
    .join('\n')
}

/**
 * Runs one program with an argument vector; no shell ever sees data, zx quotes each argument.
 *
 * @param argv program and arguments
 * @throws {CommandError} on a non-zero exit, a signal or a time-out, unless `allowFailure`
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const started = performance.now()
  const child = zx({
    cwd: options.cwd,
    env: mergedEnv(options.env),
    input: options.input === undefined ? undefined : Buffer.from(options.input),
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    // A group of its own: a Ctrl-C in the terminal reaches us alone, and we can end the command with all its children.
    detached: true,
    nothrow: true,
    quiet: true,
  } as Parameters<typeof zx>[0] & object)`${[...argv]}`
  if (child.pid !== undefined) options.onSpawn?.(child.pid)
  if (options.onLine !== undefined) {
    const { onLine } = options
    forwardLines(child.stdout, (line) => onLine(line, 'stdout'))
    forwardLines(child.stderr, (line) => onLine(line, 'stderr'))
  }
  const ending = endGroupOn(child.pid, options)
  let output: ProcessOutput
  try {
    output = await child
  } finally {
    ending.stop()
  }
  const timedOut = ending.timedOut()
  const result: RunResult = {
    exitCode: output.exitCode,
    signal: output.signal,
    stdout: output.stdout,
    stderr: output.stderr,
  }
  if (ending.aborted()) options.signal?.throwIfAborted()
  const failed = timedOut || result.exitCode !== 0 || result.signal !== null
  if (failed && (timedOut || options.allowFailure !== true)) {
    throw new CommandError(
      argv,
      result,
      options.timeoutMs ?? Math.round(performance.now() - started),
      timedOut,
    )
  }
  return result
}

/** How long a command may take to end by itself after SIGTERM. */
const graceMs = 5_000

/**
 * Ends a process group when its time is up or the signal comes. Not by `child.kill()` of zx: that looks for children
 * with a shell of its own, which prints DEP0190.
 */
function endGroupOn(
  pid: number | undefined,
  { timeoutMs, signal }: RunOptions,
): { stop(): void; timedOut(): boolean; aborted(): boolean } {
  const timers: NodeJS.Timeout[] = []
  const because = { timedOut: false, aborted: false }
  const end = (): void => {
    killGroup(pid, 'SIGTERM')
    timers.push(setTimeout(() => killGroup(pid, 'SIGKILL'), graceMs))
  }
  const onAbort = (): void => {
    because.aborted = true
    end()
  }
  const onTimeout = (): void => {
    because.timedOut = true
    end()
  }
  if (timeoutMs !== undefined) timers.push(setTimeout(onTimeout, timeoutMs))
  if (signal?.aborted === true) onAbort()
  else signal?.addEventListener('abort', onAbort, { once: true })
  return {
    timedOut: () => because.timedOut,
    aborted: () => because.aborted,
    stop() {
      for (const timer of timers) clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    },
  }
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // It has ended by itself.
  }
}

function mergedEnv(extra: RunOptions['env']): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env, ...extra }
  for (const [name, value] of Object.entries(env)) if (value === undefined) delete env[name]
  return env
}

function forwardLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  let rest = ''
  stream.on('data', (chunk: Buffer | string) => {
    const lines = (rest + chunk.toString()).split(/\r?\n|\r/)
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
  stream.on('end', () => {
    if (rest !== '') onLine(rest)
  })
}
