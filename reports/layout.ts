import { styleText } from 'node:util'
import type { Outcome } from '../helpers/observation.ts'
import { marks } from './detail.ts'
import { wrap } from './text.ts'

/** What the terminal is like. */
export interface Paper {
  /** Characters per line. */
  columns: number
  style(format: Format, text: string): string
}

type Format = 'red' | 'green' | 'yellow' | 'cyan' | 'dim' | 'bold'

/** Reading gets hard beyond, and details get lost below. */
const [minColumns, maxColumns] = [60, 120]
/** Where nobody says how wide it is: a log file. */
const defaultColumns = 100

/**
 * The paper for a stream. Colour where the stream is a terminal; NO_COLOR and FORCE_COLOR are obeyed
 * (https://nodejs.org/api/util.html#utilstyletextformat-text-options).
 */
export function paperFor(stream: NodeJS.WritableStream, columns?: number): Paper {
  const width = columns ?? (stream as Partial<NodeJS.WriteStream>).columns ?? defaultColumns
  return {
    columns: Math.min(maxColumns, Math.max(minColumns, width)),
    style: (format, text) => styleText(format, text, { stream }),
  }
}

/** Colour of each outcome. */
export const colours: Readonly<Record<Outcome['outcome'], Format>> = {
  passed: 'green',
  failed: 'red',
  unsupported: 'dim',
  expected: 'yellow',
  'not-run': 'yellow',
}

/** The mark of an outcome in its colour. */
export function mark(kind: Outcome['outcome'], paper: Paper): string {
  return paper.style(colours[kind], marks[kind])
}

/** A label in its column and the text beside it, wrapped under itself. */
export function labelled(
  label: string,
  text: string,
  paper: Paper,
  indent: number,
  labelWidth = 10,
): string[] {
  const hanging = indent + labelWidth
  return wrap(text, paper.columns - hanging).map((line, index) =>
    index === 0
      ? `${' '.repeat(indent)}${paper.style('dim', label.padEnd(labelWidth))}${line}`
      : `${' '.repeat(hanging)}${line}`,
  )
}

/** A piece of a line that is not broken: its text, and the same with colour. */
export interface Piece {
  plain: string
  styled: string
}

/** Pieces side by side after a first column, on as many lines as they need. */
export function flow(
  first: string,
  firstWidth: number,
  pieces: readonly Piece[],
  paper: Paper,
  indent: number,
  gap = '  ',
): string[] {
  const start = indent + firstWidth
  const lines: string[] = []
  let line = `${' '.repeat(indent)}${first.padEnd(firstWidth)}`
  let used = start
  for (const { plain, styled } of pieces) {
    const room = used === start ? plain.length : plain.length + gap.length
    if (used > start && used + room > paper.columns) {
      lines.push(line)
      line = `${' '.repeat(start)}${styled}`
      used = start + plain.length
    } else {
      line += used === start ? styled : `${gap}${styled}`
      used += room
    }
  }
  return [...lines, line]
}
