import type { RunEvent } from '../reports/events.ts'
import type { Journal } from '../reports/journal.ts'
import { withEvidenceBelow } from '../reports/merge.ts'
import { outputFile, type LegEnd } from './leg-process.ts'

/**
 * Takes the events of one leg's own journal into that of the matrix, and says on the way what the leg is doing. The
 * matrix knows of the run itself: its start, its machine and its end are not the leg's to say.
 */
export class LegFollower {
  readonly #name: string
  readonly #journal: Journal
  readonly #onPhase: (text: string) => void
  readonly #phases = new Set<string>()
  /** The leg has said how it came out. */
  #told = false

  constructor(name: string, journal: Journal, onPhase: (text: string) => void) {
    this.#name = name
    this.#journal = journal
    this.#onPhase = onPhase
  }

  take(event: RunEvent): void {
    switch (event.type) {
      case 'run-started':
      case 'machine':
      case 'parallel':
      case 'run-ended':
        return
      case 'aborted':
        this.#told = true
        this.#journal.emit({ ...event, leg: this.#name })
        return
      case 'outcome':
        // Its evidence lies in the leg's folder, which is a part of ours.
        this.#journal.emit({ ...event, outcome: withEvidenceBelow(this.#name, event.outcome) })
        return
      case 'setup-failed':
      case 'leg-ended':
        this.#told = true
        break
      case 'phase-started':
        this.#phases.add(event.name)
        break
      case 'phase-ended':
        this.#phases.delete(event.name)
        break
      default:
    }
    this.#journal.emit(event)
    this.#onPhase([...this.#phases].join(', '))
  }

  /**
   * A process that is gone without a word is a failed set-up: there is no verdict about this network.
   *
   * @param file of the leg's definition
   * @param folder of the leg's reports, as a user would type it
   */
  processEnded({ how, printed }: LegEnd, file: string, folder: string): void {
    if (this.#told) return
    const phase = [...this.#phases].at(-1) ?? 'start'
    this.#journal.emit({
      type: 'setup-failed',
      leg: this.#name,
      failure: {
        phase,
        what: `the process of the leg ${how}`,
        ...(printed === '' ? {} : { seen: printed }),
        next: `look into ${folder}/${outputFile}, or run \`cni-conformance test ${file}\` alone`,
      },
    })
  }
}
