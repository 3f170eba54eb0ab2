import { count } from './text.ts'

/**
 * GitHub drops the summary of a step that has more than 1024 KiB, whole
 * (https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#adding-a-job-summary). What is
 * left of that is for whatever else the step writes.
 */
export const summaryLimitBytes = 900 * 1024

/** Room for the sentence about what did not fit. */
const noteBytes = 400

/** A piece of the text that is whole or not there; made when its turn comes. */
export interface Block {
  /** What it is one of, as it is counted when there is no room: `row`. */
  what: string
  make: () => string
}

/**
 * The blocks up to the first that does not fit; the last line counts, by kind, those that are not there.
 *
 * @param whole where all of them are
 */
export function capped(blocks: readonly Block[], whole = 'run.json and junit.xml'): string {
  const parts: string[] = []
  let bytes = 0
  for (const [index, { make }] of blocks.entries()) {
    const block = make()
    bytes += Buffer.byteLength(block)
    if (bytes > summaryLimitBytes - noteBytes) return `${parts.join('')}${note(blocks.slice(index), whole)}`
    parts.push(block)
  }
  return parts.join('')
}

function note(left: readonly Block[], whole: string): string {
  const kinds = Map.groupBy(left, ({ what }) => what)
  const counted = [...kinds].map(([what, some]) => count(some.length, what))
  return `\n**No room for ${counted.join(', ')}: all of it is in ${whole}.**\n`
}

/**
 * A table of Markdown, a block for each row. The first one has the head, which is nothing alone.
 *
 * @param cells of a row, escaped
 */
export function table<Row>(
  what: string,
  head: readonly string[],
  rows: readonly Row[],
  cells: (row: Row) => readonly string[],
): Block[] {
  const top = `\n${tableRow(head)}|${'---|'.repeat(head.length)}\n`
  return rows.map((row, at) => ({ what, make: () => `${at === 0 ? top : ''}${tableRow(cells(row))}` }))
}

const tableRow = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
