import { createLogUpdate } from 'log-update'
import { styleText } from 'node:util'

/** Where long work says what it is doing. Every phase is a step; steps nest and run side by side. */
export interface Progress {
  /**
   * Runs `work` as a named step and shows its title, detail and time while it runs.
   *
   * @param title what is done, in the present tense: "build kubelet"
   */
  step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T>
  /** One line that stays, such as a warning or a fact. */
  note: (text: string) => void
  /** Stops drawing; later steps are silent. */
  close: () => void
}

/** One running step. */
export interface Step extends Progress {
  /** What is happening inside the step, such as "12/40 packages" or "worker2 NotReady". */
  update(detail: string): void
}

interface RunningStep {
  title: string
  detail: string
  startedMs: number
  depth: number
  announced: boolean
}

/** Off a terminal a step is announced when it has run this long, and reported again in the same rhythm. */
const announceAfterMs = 2_000
const repeatEveryMs = 20_000

/** Progress on standard error: live lines on a terminal, plain lines elsewhere. Never anything on stdout. */
export function createProgress(options: { stream?: NodeJS.WriteStream; quiet?: boolean } = {}): Progress {
  const stream = options.stream ?? process.stderr
  if (options.quiet === true) return silentProgress
  return stream.isTTY ? liveProgress(stream) : plainProgress(stream)
}

/** Progress that shows nothing. */
export const silentProgress: Step = {
  step: (_title, work) => work(silentProgress),
  note: () => undefined,
  update: () => undefined,
  close: () => undefined,
}

const seconds = (sinceMs: number): string => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`

/** Shared bookkeeping of both renderers: a set of running steps and what to do when one starts, ends or fails. */
function progressOver(
  running: Set<RunningStep>,
  show: Pick<Progress, 'note' | 'close'> & {
    started(step: RunningStep): void
    ended(step: RunningStep, failed: boolean): void
  },
): Progress {
  const child = (depth: number): Progress => ({
    note: show.note,
    close: show.close,
    async step(title, work) {
      const step: RunningStep = { title, detail: '', startedMs: performance.now(), depth, announced: false }
      running.add(step)
      show.started(step)
      let failed = true
      try {
        const result = await work({
          ...child(depth + 1),
          update(detail) {
            step.detail = detail
          },
        })
        failed = false
        return result
      } finally {
        running.delete(step)
        show.ended(step, failed)
      }
    },
  })
  return child(0)
}

function plainProgress(stream: NodeJS.WriteStream): Progress {
  const running = new Set<RunningStep>()
  const line = (text: string): void => void stream.write(`${text}\n`)
  const describe = (step: RunningStep): string =>
    `${'  '.repeat(step.depth)}${step.title}${step.detail === '' ? '' : `: ${step.detail}`}`
  let lastRepeatMs = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    const repeat = now - lastRepeatMs >= repeatEveryMs
    if (repeat) lastRepeatMs = now
    for (const step of running) {
      const due = !step.announced && now - step.startedMs >= announceAfterMs
      if (due || (repeat && step.announced)) line(`… ${describe(step)} (${seconds(step.startedMs)})`)
      if (due) step.announced = true
    }
  }, 500)
  timer.unref()
  return progressOver(running, {
    started: () => undefined,
    ended: (step, failed) => {
      if (failed) line(`✗ ${describe(step)} failed after ${seconds(step.startedMs)}`)
      else if (step.announced || step.depth === 0)
        line(`✓ ${'  '.repeat(step.depth)}${step.title} ${seconds(step.startedMs)}`)
    },
    note: line,
    close: () => clearInterval(timer),
  })
}

function liveProgress(stream: NodeJS.WriteStream): Progress {
  const running = new Set<RunningStep>()
  const log = createLogUpdate(stream)
  const frames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
  let tick = 0
  let closed = false
  const dim = (text: string): string => styleText('dim', text, { stream })
  const draw = (): void => {
    if (closed) return
    tick += 1
    const lines = [...running].map((step) => {
      const spin = styleText('cyan', frames[tick % frames.length] ?? '-', { stream })
      const detail = step.detail === '' ? '' : dim(`  ${step.detail}`)
      return `${'  '.repeat(step.depth)}${spin} ${step.title}${dim(` ${seconds(step.startedMs)}`)}${detail}`
    })
    log(lines.join('\n'))
  }
  const persist = (text: string): void => {
    if (closed) return
    log.clear()
    stream.write(`${text}\n`)
    draw()
  }
  const timer = setInterval(draw, 100)
  timer.unref()
  return progressOver(running, {
    started: draw,
    ended: (step, failed) => {
      if (failed)
        persist(
          `${'  '.repeat(step.depth)}${styleText('red', '✗', { stream })} ${step.title} ${dim(seconds(step.startedMs))}`,
        )
      else if (step.depth === 0 || performance.now() - step.startedMs >= announceAfterMs)
        persist(
          `${'  '.repeat(step.depth)}${styleText('green', '✓', { stream })} ${step.title} ${dim(seconds(step.startedMs))}`,
        )
    },
    note: persist,
    close: () => {
      clearInterval(timer)
      log.clear()
      log.done()
      closed = true
    },
  })
}
