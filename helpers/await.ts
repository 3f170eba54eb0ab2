import { setTimeout as delay } from 'node:timers/promises'
import { BudgetExceeded, messageOf, SetupError } from './errors.ts'
import type { Budget } from './budgets.ts'

/** The one place that sleeps. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, signal === undefined ? {} : { signal })
}

/**
 * What work brings that cannot be stopped, or an error that names the budget when it takes longer.
 *
 * @throws {Error} when the budget is spent
 */
export async function within<T>(work: Promise<T>, { ms, name }: Budget): Promise<T> {
  const waiting = new AbortController()
  const late = sleep(ms, waiting.signal).then(() => {
    throw new Error(`no answer within ${ms} ms (budget ${name})`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    late.catch(() => undefined)
    waiting.abort()
  }
}

/** Waits until all work is over, whatever becomes of it; then throws what the first that failed has thrown. */
export async function allOver(work: readonly Promise<void>[]): Promise<void> {
  for (const end of await Promise.allSettled(work)) if (end.status === 'rejected') throw end.reason
}

/** What a look at the world found: done with a value, or not yet and what was seen instead. */
export type Look<T> = { done: true; value: T } | { done: false; seen: string }

/** What {@link awaitUntil} was doing, for its error and for the progress line. */
export interface AwaitOptions {
  /** Completes "waited for ...". */
  what: string
  budget: Budget
  /** What the user can do when the budget runs out. */
  next: string
  /** Milliseconds between two looks. */
  everyMs?: number
  /** Resolves when there may be something new to see: that ends a pause before its time. */
  wake?: () => Promise<unknown>
  signal?: AbortSignal
  /** Told what each unsuccessful look saw. */
  onSeen?: (seen: string) => void
}

/**
 * Looks until done or until the budget is spent. A look that throws counts as "not yet" and its message as seen,
 * but a SetupError is a look that gives up: it goes to the caller at once.
 *
 * @throws {BudgetExceeded} naming what was awaited, the budget and the last thing seen
 */
export async function awaitUntil<T>(look: () => Promise<Look<T>>, options: AwaitOptions): Promise<T> {
  const deadline = performance.now() + options.budget.ms
  let seen = 'nothing yet'
  for (;;) {
    options.signal?.throwIfAborted()
    // Before the look: what changes while it looks must not be missed.
    const woken = options.wake?.()
    try {
      const found = await look()
      if (found.done) return found.value
      seen = found.seen
    } catch (error) {
      if (error instanceof SetupError) throw error
      seen = messageOf(error)
    }
    options.onSeen?.(seen)
    if (performance.now() >= deadline) {
      throw new BudgetExceeded({
        what: `waited ${options.budget.ms / 1000} s (budget ${options.budget.name}) for ${options.what}`,
        seen,
        next: options.next,
      })
    }
    await pause(options.everyMs ?? 200, woken, options.signal)
  }
}

async function pause(ms: number, woken: Promise<unknown> | undefined, signal?: AbortSignal): Promise<void> {
  if (woken === undefined) return sleep(ms, signal)
  const over = new AbortController()
  const signals = [over.signal, ...(signal === undefined ? [] : [signal])]
  try {
    await Promise.race([sleep(ms, AbortSignal.any(signals)), woken])
  } finally {
    over.abort()
  }
}
