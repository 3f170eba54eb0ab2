import type { Outcome, OutcomeKind } from '../helpers/observation.ts'
import { marks, splitId } from './detail.ts'
import { colours, mark, type Paper } from './layout.ts'
import type { Leg } from './model.ts'
import { clip, count, oneLine } from './text.ts'

/** The checks of one way on one leg. */
export interface MatrixCell {
  /** The worst of its outcomes. */
  kind: OutcomeKind
  passed: number
  total: number
}

/** One way, such as `pod-to-pod/cross-node`, on every leg; undefined where a leg has no check of it. */
export interface MatrixRow {
  way: string
  cells: (MatrixCell | undefined)[]
}

/** Worst first. */
const worst: readonly OutcomeKind[] = ['failed', 'not-run', 'expected', 'unsupported', 'passed']

/** Ways x legs, in the order in which they appear. */
export function matrixRows(legs: readonly Leg[]): MatrixRow[] {
  const wayOf = ({ check }: Outcome): string => splitId(check)[0]
  const byLeg = legs.map(({ outcomes }) => Map.groupBy(outcomes, wayOf))
  const ways = [...new Set(byLeg.flatMap((ways) => [...ways.keys()]))]
  return ways.map((way) => ({ way, cells: byLeg.map((ways) => cellOf(ways.get(way))) }))
}

function cellOf(outcomes: readonly Outcome[] = []): MatrixCell | undefined {
  const kind = worst.find((each) => outcomes.some(({ outcome }) => outcome === each))
  if (kind === undefined) return undefined
  const passed = outcomes.filter(({ outcome }) => outcome === 'passed').length
  return { kind, passed, total: outcomes.length }
}

/** One check on every leg. */
interface CheckRow {
  check: string
  outcomes: (OutcomeKind | undefined)[]
}

/**
 * The checks that failed, deviated or did not run on some leg, on all of them. A leg on which nothing ran has one
 * reason for all, so it makes no rows.
 */
function troubledChecks(legs: readonly Leg[]): CheckRow[] {
  const troubled = new Set<string>()
  for (const { outcomes } of legs) {
    if (outcomes.every(({ outcome }) => outcome === 'not-run')) continue
    for (const { check, outcome } of outcomes)
      if (outcome !== 'passed' && outcome !== 'unsupported') troubled.add(check)
  }
  const byLeg = legs.map(({ outcomes }) => new Map(outcomes.map(({ check, outcome }) => [check, outcome])))
  return [...troubled].map((check) => ({ check, outcomes: byLeg.map((leg) => leg.get(check)) }))
}

/** Characters of a leg's name that make its column wide. */
const maxName = 18
/** Checks that the terminal lists; the reports have them all. */
const maxTroubled = 40

/** The matrix for a terminal: blocks of as many legs as fit beside each other, then the checks that are not green. */
export function matrixLines(legs: readonly Leg[], paper: Paper): string[] {
  const rows = matrixRows(legs)
  if (rows.length === 0) return []
  const troubled = troubledChecks(legs)
  const shown = troubled.slice(0, maxTroubled)
  const more = troubled.length - shown.length
  const lines = grid(
    legs,
    rows.map(({ way, cells }) => ({ label: way, cells: cells.map((cell) => cellPiece(cell, paper)) })),
    paper,
  )
  if (shown.length === 0) return lines
  const checks = shown.map(({ check, outcomes }) => ({
    label: check,
    cells: outcomes.map((kind) =>
      kind === undefined ? nothing : { plain: marks[kind], styled: mark(kind, paper) },
    ),
  }))
  return [
    ...lines,
    '',
    ...grid(legs, checks, paper, 'not green everywhere'),
    ...(more === 0 ? [] : [`  and ${count(more, 'more check')}, see summary.md`]),
  ]
}

interface CellText {
  plain: string
  styled: string
}

const nothing: CellText = { plain: '', styled: '' }

function cellPiece(cell: MatrixCell | undefined, paper: Paper): CellText {
  if (cell === undefined) return nothing
  const { kind, passed, total } = cell
  const uniform = passed === total || (passed === 0 && kind !== 'failed')
  const plain = `${marks[kind]} ${uniform ? total : `${passed}/${total}`}`
  return { plain, styled: paper.style(colours[kind], plain) }
}

function grid(
  legs: readonly Leg[],
  rows: readonly { label: string; cells: readonly CellText[] }[],
  paper: Paper,
  title = '',
): string[] {
  const names = legs.map(({ cluster }) => clip(oneLine(cluster.name), maxName))
  const labels = rows.map(({ label }) => oneLine(label))
  const first = 2 + Math.max(title.length, ...labels.map((label) => label.length)) + 2
  const widths = names.map((name, at) =>
    Math.max(name.length, ...rows.map(({ cells }) => cells[at]?.plain.length ?? 0)),
  )
  return blocksOf(widths, paper.columns - first).flatMap((block, index) => {
    const line = (label: string, cells: readonly CellText[]): string =>
      `  ${label.padEnd(first - 2)}${block.map((at) => padded(cells[at] ?? nothing, widths[at] ?? 0)).join('  ')}`.trimEnd()
    const head = names.map((name) => ({ plain: name, styled: paper.style('bold', name) }))
    return [
      ...(index === 0 ? [] : ['']),
      line(title, head),
      ...rows.map(({ cells }, at) => line(labels[at] ?? '', cells)),
    ]
  })
}

const padded = ({ plain, styled }: CellText, width: number): string =>
  `${styled}${' '.repeat(Math.max(0, width - plain.length))}`

/** Columns that stand beside each other in one block; at least one each, also where the first column is too wide. */
function blocksOf(widths: readonly number[], room: number): number[][] {
  const blocks: number[][] = []
  let used = 0
  widths.forEach((width, at) => {
    const block = blocks.at(-1)
    if (block !== undefined && used + 2 + width <= room) {
      block.push(at)
      used += 2 + width
    } else {
      blocks.push([at])
      used = width
    }
  })
  return blocks
}
