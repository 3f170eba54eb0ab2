import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Budget } from '../../helpers/budgets.ts'
import { BudgetExceeded, SetupError, messageOf } from '../../helpers/errors.ts'
import { CommandError, lastLines, run } from '../../helpers/exec.ts'
import type { RunOptions, RunResult } from '../../helpers/exec.ts'

/** What {@link runStep} says when its command fails. */
export interface StepOptions extends Omit<RunOptions, 'timeoutMs'> {
  budget: Budget
  /** Completes "could not ...": `build kubelet`. */
  what: string
  /** What the user can do about it. */
  next: string
}

/**
 * Runs a command of the image work; its failure is an error that a user can act on.
 *
 * @throws {BudgetExceeded} when the budget runs out
 * @throws {SetupError} for any other failure; a full disk is named as such
 */
export async function runStep(argv: readonly string[], options: StepOptions): Promise<RunResult> {
  const { budget, what, next, ...rest } = options
  try {
    return await run(argv, { ...rest, timeoutMs: budget.ms })
  } catch (error) {
    rest.signal?.throwIfAborted()
    if (!(error instanceof CommandError)) throw explained(error, what, next)
    const seen = lastLines(`${error.result.stdout}\n${error.result.stderr}`, 6).trim()
    if (error.timedOut) {
      throw new BudgetExceeded({
        what: `could not ${what} within ${budget.ms / 1000} s (budget ${budget.name})`,
        seen: seen === '' ? `no output from ${argv.slice(0, 3).join(' ')}` : seen,
        next,
        cause: error,
      })
    }
    throw explained(error, what, next, seen === '' ? firstLine(error.message) : seen)
  }
}

/** Any failure as a {@link SetupError}; one that already is stays what it is. */
export function explained(error: unknown, what: string, next: string, seen = messageOf(error)): Error {
  if (error instanceof SetupError) return error
  if (isDiskFull(error) || /no space left on device|ENOSPC/i.test(seen)) {
    return new SetupError({
      what: `could not ${what}: the disk is full`,
      seen,
      next: 'free some space (df -h; docker system df; our cache is safe to delete), then run the same command again',
      cause: error,
    })
  }
  return new SetupError({ what: `could not ${what}`, seen, next, cause: error })
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text
}

/** `sha256:<hex>` of text or bytes. */
export function sha256(content: string | Uint8Array): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`
}

/** `sha256:<hex>` of a file, read as a stream. */
export async function sha256File(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer)
  return `sha256:${hash.digest('hex')}`
}

/** The first 12 hexadecimal digits of the hash of any JSON value: a name for a thing made from exactly these inputs. */
export function shortHash(inputs: unknown): string {
  return sha256(JSON.stringify(inputs)).slice('sha256:'.length, 'sha256:'.length + 12)
}

/**
 * Hash of one of our own modules: what it makes is made again when its code changes. The package has the TypeScript of
 * these modules beside what is run, so that it finds in the cache what a checkout has made, and the other way round.
 *
 * @param moduleUrl its `import.meta.url`
 * @param used other modules of ours whose code decides what it makes, by their paths from there. Not by `import.meta.resolve`:
 *   what Vitest runs has none
 */
export async function codeHash(moduleUrl: string, ...used: readonly string[]): Promise<string> {
  const files = [moduleUrl, ...used.map((path) => new URL(path, moduleUrl))]
  const texts = files.map((file) => readFile(fileURLToPath(file).replace(/\.js$/, '.ts')))
  return sha256(Buffer.concat(await Promise.all(texts)))
}
