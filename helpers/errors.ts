/**
 * Errors a person can act on. Each says what happened, where, what was seen and what to do next;
 * `cli/main.ts` maps the class to the exit code and prints `message` alone, without a stack.
 */

/** Exit codes of the command, the same in every mode. */
export const exitCodes = {
  passed: 0,
  failed: 1,
  usage: 2,
  inconclusive: 3,
  sigint: 130,
  sigterm: 143,
} as const

/** The user asked for something impossible: a flag, a file, a definition. Exit 2, nothing was created. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
  /** Every problem found, one line each; `message` is the same lines joined. */
  readonly problems: readonly string[]

  constructor(problems: string | readonly string[]) {
    const lines = typeof problems === 'string' ? [problems] : problems
    super(lines.join('\n'))
    this.problems = lines
  }
}

/** What a {@link SetupError} carries. */
export interface SetupFailure {
  /** What went wrong, one sentence without a trailing full stop. */
  what: string
  /** What the program saw: the last lines of a command, a number against its limit. */
  seen?: string
  /** What the user can do now; a command where there is one. */
  next: string
  cause?: unknown
}

/** The machine, a download, Docker or the cluster did not come up. Exit 3: no verdict about the network. */
export class SetupError extends Error {
  override readonly name: string = 'SetupError'
  readonly what: string
  readonly seen: string | undefined
  readonly next: string

  constructor(failure: SetupFailure) {
    const seen = failure.seen?.trim()
    super(
      [
        failure.what,
        seen === undefined || seen === '' ? undefined : `  seen: ${seen}`,
        `  next: ${failure.next}`,
      ]
        .filter((line) => line !== undefined)
        .join('\n'),
      { cause: failure.cause },
    )
    this.what = failure.what
    this.seen = seen
    this.next = failure.next
  }
}

/** A wait ran out of its budget. Names what it waited for and the last thing it saw. */
export class BudgetExceeded extends SetupError {
  override readonly name = 'BudgetExceeded'
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
