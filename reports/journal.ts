import { closeSync, openSync, writeFileSync } from 'node:fs'
import { SetupError, messageOf } from '../helpers/errors.ts'
import { redactedData } from '../helpers/redact.ts'
import { eventSchema, type NewEvent, type RunEvent } from './events.ts'
import { foldEvents } from './fold.ts'
import type { Run } from './model.ts'

/** The journal of a running run. */
export interface Journal {
  readonly path: string
  /** Appends one event; it is in the file when this returns. */
  emit(event: NewEvent): void
  /** Runs `work` as a phase of a leg: its start, its end and its time go into the journal, a failure with its message. */
  phase<T>(leg: string, name: string, work: () => Promise<T>): Promise<T>
  /** The run as far as it is known now. */
  run(): Run
  close(): void
}

/**
 * Starts the journal of a run; a file of an earlier run at the same path is replaced.
 *
 * @throws {SetupError} when it cannot be written; from `emit` the first time only, it goes on in memory then
 */
export function openJournal(path: string): Journal {
  const events: RunEvent[] = []
  const fd = orSetupError(path, () => openSync(path, 'w', 0o644))
  let closed = false
  let broken = false
  const emit = (event: NewEvent): void => {
    // A phase that outlives its run has nothing to add.
    if (closed) return
    // Everything in a report comes through here, so that nothing that a kubelet or a command said brings a secret.
    const timed = redactedData(eventSchema.parse({ at: new Date().toISOString(), ...event }))
    events.push(timed)
    // Told once: what is then done to clean up must not fail of it again.
    if (broken) return
    broken = true
    // Synchronous, so that a kill after `emit` loses nothing; without fsync, which only a power failure would need.
    orSetupError(path, () => writeFileSync(fd, `${JSON.stringify(timed)}\n`))
    broken = false
  }
  return {
    path,
    emit,
    async phase(leg, name, work) {
      const started = performance.now()
      const ended = (ok: boolean, detail?: string): void =>
        emit({
          type: 'phase-ended',
          leg,
          name,
          ms: Math.round(performance.now() - started),
          ok,
          ...(detail === undefined ? {} : { detail }),
        })
      emit({ type: 'phase-started', leg, name })
      try {
        const result = await work()
        ended(true)
        return result
      } catch (error) {
        ended(false, messageOf(error))
        throw error
      }
    },
    run: () => foldEvents(events),
    close() {
      if (!closed) closeSync(fd)
      closed = true
    },
  }
}

function orSetupError<T>(path: string, write: () => T): T {
  try {
    return write()
  } catch (error) {
    throw new SetupError({
      what: `the journal ${path} cannot be written`,
      seen: messageOf(error),
      next: 'free some space there, or choose another folder with --report-dir',
      cause: error,
    })
  }
}
