import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { readIdentity } from './probe-stream.ts'

/**
 * What a pod can reach in the first moments of its life: asks the same questions again and again from the moment that
 * the program runs, and says at the end when each was answered. No stream leads here: it would come too late.
 */

/** What is asked. */
export interface FirstPlan {
  targets: { name: string; host: string; port: number }[]
  /** Milliseconds between two rounds, for how long there are rounds, and how long each question may take. */
  everyMs: number
  durationMs: number
  timeoutMs: number
}

/** When one target answered. Milliseconds from the first question of all. */
export interface FirstResult {
  name: string
  asked: number
  answered: number
  /** When the first and the last question that got an answer were sent. */
  firstMs?: number
  lastMs?: number
  /** Pods that answered, by uid. */
  peers: string[]
}

/** The one line that the program prints. */
export interface FirstReport {
  podUid: string
  /** Milliseconds from the start of the process to its first question. */
  startedMs: number
  results: FirstResult[]
}

/** Asks, and settles when the last question is settled. */
export async function askFirst(plan: FirstPlan, podUid: string): Promise<FirstReport> {
  const startedMs = processAgeMs()
  const results = plan.targets.map(({ name }): FirstResult => ({ name, asked: 0, answered: 0, peers: [] }))
  const beganMs = performance.now()
  const open: Promise<void>[] = []
  const { promise: over, resolve: end } = Promise.withResolvers<void>()
  const round = (): void => {
    const sentMs = Math.round(performance.now() - beganMs)
    if (sentMs >= plan.durationMs) {
      clearInterval(timer)
      end()
      return
    }
    for (const [index, target] of plan.targets.entries()) {
      const result = results[index]
      if (result !== undefined) open.push(ask(target, plan.timeoutMs, sentMs, result))
    }
  }
  const timer = setInterval(round, plan.everyMs)
  round()
  await over
  await Promise.all(open)
  return { podUid, startedMs, results }
}

async function ask(
  { host, port }: FirstPlan['targets'][number],
  timeoutMs: number,
  sentMs: number,
  result: FirstResult,
): Promise<void> {
  const nonce = `first-${result.asked}`
  result.asked += 1
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connect({ host, port, noDelay: true }, () => socket.write(`${nonce}\n`))
  let text = ''
  socket.setTimeout(timeoutMs, () => resolve(undefined))
  socket.on('error', () => resolve(undefined))
  socket.on('close', () => resolve(undefined))
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    if (!text.includes('\n')) return
    const identity = readIdentity(text, nonce)
    resolve(typeof identity === 'string' ? undefined : identity.podUid)
  })
  const peer = await promise
  socket.destroy()
  if (peer === undefined) return
  result.answered += 1
  result.firstMs = Math.min(result.firstMs ?? sentMs, sentMs)
  result.lastMs = Math.max(result.lastMs ?? sentMs, sentMs)
  if (!result.peers.includes(peer)) result.peers.push(peer)
}

/** Since the kernel started this process: its clock has ticks of 10 ms. */
function processAgeMs(): number {
  const upMs = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]) * 1_000
  // The name of the program, in parentheses, may hold spaces; the 22nd field is the start.
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return Math.max(0, Math.round(upMs - Number(fields[19]) * 10))
}
