import { wordsFor } from './gate-moves.ts'
import type { Change, ComparedLeg, Difference, Effect, Gate, Side } from './gate-model.ts'
import { flow, labelled, paperFor, type Paper } from './layout.ts'
import type { RenderOptions } from './terminal.ts'
import { count, duration, oneLine, timeOfDay, wrap } from './text.ts'

/** What the exit codes of a gate mean, for people. */
export const gateMeanings: Readonly<Record<Gate['verdict']['exitCode'], string>> = {
  0: 'no regression',
  1: 'regression',
  3: 'inconclusive: a gate does not open on that',
}

const look: Readonly<Record<Effect, { mark: string; colour: Parameters<Paper['style']>[0] }>> = {
  red: { mark: '✗', colour: 'red' },
  open: { mark: '!', colour: 'yellow' },
  loud: { mark: '~', colour: 'yellow' },
  quiet: { mark: '✓', colour: 'green' },
}

/** A comparison for a person: leg by leg what differs and what changed, then the verdict. No line end at the end. */
export function renderGate(gate: Gate, options: Omit<RenderOptions, 'folder'>): string {
  const paper = paperFor(options.stream, options.columns)
  const legs = gate.legs.map((leg) => legLines(leg, paper).join('\n'))
  return [...legs, summaryLines(gate, paper).join('\n')].join('\n\n')
}

function legLines(leg: ComparedLeg, paper: Paper): string[] {
  const blocks = [
    [`${paper.style('bold', oneLine(leg.name))}  ${paper.style('dim', countsText(leg))}`],
    differenceLines(leg.differences, paper),
    leg.open.flatMap((end) => labelled(look.open.mark, oneLine(end), paper, 2, 2)),
    ...groups(leg.changes).map((changes) =>
      groupLines(changes, changes.length === leg.changes.length, paper),
    ),
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .flatMap((lines, at) => (at === 0 ? lines : ['', ...lines]))
}

/** `39 checks: 37 same, 2 regressed`. */
export function countsText({ changes, in: where }: ComparedLeg): string {
  const missing = { both: '', before: 'only in the earlier run · ', after: 'only in the later run · ' }[where]
  const parts = [...groups(changes)].map(([first, ...rest]) =>
    first === undefined ? '' : `${rest.length + 1} ${wordsFor(first.change, first.effect)}`,
  )
  return `${missing}${count(changes.length, 'check')}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`
}

/** Changes of one kind and effect together, the worst first. */
function groups(changes: readonly Change[]): Change[][] {
  return [...Map.groupBy(changes, ({ change, effect }) => wordsFor(change, effect) + effect).values()]
}

function differenceLines(differences: readonly Difference[], paper: Paper): string[] {
  const width = Math.max(0, ...differences.map(({ what }) => what.length)) + 2
  return differences.flatMap(({ what, before, after }) =>
    labelled(what, oneLine(`${before} → ${after}`), paper, 2, width),
  )
}

/** @param all they are all the checks of the leg, which need no names then */
function groupLines(changes: readonly Change[], all: boolean, paper: Paper): string[] {
  const [first] = changes
  if (first === undefined || (first.change === 'same' && first.effect === 'quiet')) return []
  const { mark, colour } = look[first.effect]
  const words = wordsFor(first.change, first.effect)
  const title = `  ${paper.style(colour, mark)} ${paper.style('bold', `${count(changes.length, 'check')} ${words}`)}`
  const named = (those: readonly Change[], style: (name: string) => string): string[] => {
    if (all && those.length === changes.length) return []
    const pieces = those
      .map(({ check }) => oneLine(check))
      .map((name) => ({ plain: name, styled: style(name) }))
    return flow('', 0, pieces, paper, 4)
  }
  if (first.effect === 'quiet') return [title, ...named(changes, (name) => name)]
  const byReason = Map.groupBy(changes, changeText)
  return [
    title,
    ...[...byReason].flatMap(([text, those]) => [
      ...named(those, (name) => paper.style(colour, name)),
      ...wrap(text, paper.columns - 6).map((line) => `      ${line}`),
    ]),
  ]
}

/** `passed → failed: timed-out, expected reached: …`. */
export function changeText({ before, after, reason, latency, change }: Change): string {
  const [was, is] = [before, after].map((kind) => kind?.replace('-', ' ') ?? 'not there')
  const times =
    change === 'slower' && latency !== undefined
      ? ` (${duration(latency.beforeMs)} → ${duration(latency.afterMs)})`
      : ''
  return oneLine(`${was} → ${is}${times}${reason === undefined ? '' : `: ${reason}`}`)
}

function summaryLines(gate: Gate, paper: Paper): string[] {
  const { exitCode, text } = gate.verdict
  const { mark, colour } = look[exitCode === 0 ? 'quiet' : exitCode === 1 ? 'red' : 'open']
  return [
    ...wrap(`${mark} ${oneLine(text)}`, paper.columns).map((line) =>
      paper.style('bold', paper.style(colour, line)),
    ),
    ...labelled('before', sideText(gate.before), paper, 2),
    ...labelled('after', sideText(gate.after), paper, 2),
    ...gate.differences.flatMap(({ what, before, after }) =>
      labelled('differs', oneLine(`${what}: ${before} → ${after}`), paper, 2),
    ),
    ...labelled('latency', latencyText(gate), paper, 2),
    ...labelled('exit code', `${exitCode}, ${gateMeanings[exitCode]}`, paper, 2),
  ]
}

/** Which run it was, and how it ended by itself. */
export function sideText({ file, run, startedAt, tool, partial, filter, verdict }: Side): string {
  const parts = [`${file}: run ${run}`, timeOfDay(startedAt), `${tool.name} ${tool.version}`]
  if (partial) parts.push(`partial: ${filter ?? 'some checks only'}`)
  return oneLine(`${parts.join(', ')}: ${verdict}`)
}

/** By what rule a check is slower. */
export function latencyText({ latency }: Gate): string {
  if (latency === undefined) return 'not compared: --max-slowdown does that'
  const { maxSlowdown, noiseFloorMs } = latency
  return `slower is a check whose median is more than ${maxSlowdown} times what it was, and more than ${duration(noiseFloorMs)} above it`
}
