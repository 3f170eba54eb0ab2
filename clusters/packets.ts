import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { budgets, captureLimits } from '../helpers/budgets.ts'
import { SetupError } from '../helpers/errors.ts'
import { run } from '../helpers/exec.ts'
import {
  readCaptured,
  type Captured,
  type CaptureRequest,
  type RunningCapture,
} from '../helpers/capture/captured.ts'
import { ensureProgram } from './host/go-program.ts'
import { defaultCacheDir } from './images/prepare.ts'

/** The program that writes packets down, on a node. */
const onNode = '/usr/local/bin/cni-conformance-packets'

/**
 * Builds the program that writes packets down, once per content.
 *
 * @returns path of a static binary; it needs the rights of root
 * @throws {SetupError} without Go
 */
export const ensurePackets = (cacheDir: string = defaultCacheDir()): Promise<string> =>
  ensureProgram(
    {
      name: 'packets',
      what: 'the program that captures packets',
      next: 'install Go (apt-get install golang-go) to have captures with the evidence',
    },
    cacheDir,
  )

/**
 * Starts to write packets down on a node of one of our own clusters, in its network namespace and in those of its pods.
 *
 * @throws {SetupError} without Go, or when it does not start to listen in time
 */
export async function captureOnKindNode(node: string, request: CaptureRequest): Promise<RunningCapture> {
  const program = await ensurePackets()
  await run(['docker', 'cp', program, `${node}:${onNode}`], { timeoutMs: budgets.captureMs.ms })
  const { bytesPerPacket: bytes, packetsPerNode: packets } = captureLimits
  // It ends by itself, should nobody be there to stop it.
  const asked = JSON.stringify({ ...request, bytes, packets, seconds: budgets.captureMs.ms / 1_000 })
  return startCapture(node, ['docker', 'exec', '-i', node, onNode, asked])
}

/** Starts the program wherever `argv` leads, and resolves as soon as it listens. */
async function startCapture(
  node: string,
  [command = '', ...args]: readonly string[],
): Promise<RunningCapture> {
  // In a group of its own, which a Ctrl-C in the terminal does not reach.
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], detached: true })
  const said: string[] = []
  const lines: string[] = []
  child.stdin.on('error', () => undefined)
  child.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString()))
  const output = createInterface({ input: child.stdout })
  output.on('line', (line) => lines.push(line))
  const ended = new Promise<void>((resolve) => {
    child.once('error', (error) => resolve(void said.push(error.message)))
    child.once('close', () => resolve())
  })
  const kill = (): void => void child.kill('SIGKILL')
  const toListen = setTimeout(kill, budgets.captureMs.ms)
  // By then it has ended by itself, unless Docker hangs.
  const toEnd = setTimeout(kill, 2 * budgets.captureMs.ms)
  void ended.then(() => clearTimeout(toEnd))
  await Promise.race([once(output, 'line'), ended])
  clearTimeout(toListen)
  if (lines.length === 0) {
    throw new SetupError({
      what: `nothing captures packets on ${node}`,
      seen: said.join('').trim() || `it did not listen within ${budgets.captureMs.ms} ms`,
      next: 'look whether root may open packet sockets there',
    })
  }
  let captured: Promise<Captured> | undefined
  return {
    stop() {
      child.stdin.end()
      captured ??= ended.then(() => readCaptured(node, lines))
      return captured
    },
  }
}
