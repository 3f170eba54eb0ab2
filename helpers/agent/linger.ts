import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * A server that goes on to serve when it is told to end: what a pod does that is being deleted and still has work. It ends
 * when nobody controls its agent any more, so that its pod goes as soon as the runner lets go of it: a kubelet waits for
 * the grace period that it began with, whatever shorter one it is given later.
 */

/** Milliseconds between two looks whether the agent is controlled. */
const everyMs = 100

/** How it is told: milliseconds that it lingers at most, and where server and prober leave each other notes. */
export interface LingerOptions {
  maxMs: number
  directory: string
}

/** What the environment says; undefined where the server ends at once. */
export function lingerOptions(env: NodeJS.ProcessEnv): LingerOptions | undefined {
  const { AGENT_LINGER_MS: maxMs, AGENT_DIR: directory } = env
  return maxMs === undefined || directory === undefined ? undefined : { maxMs: Number(maxMs), directory }
}

const noteIn = (directory: string): string => join(directory, 'uncontrolled')

/** For the server: calls `end` when it is to end after all. */
export function linger({ maxMs, directory }: LingerOptions, end: () => void): void {
  setTimeout(end, maxMs)
  setInterval(() => {
    if (existsSync(noteIn(directory))) end()
  }, everyMs)
}

/** For the prober: it controls from now on until its process ends. */
export function control({ directory }: LingerOptions): void {
  rmSync(noteIn(directory), { force: true })
  process.on('exit', () => writeFileSync(noteIn(directory), ''))
}
