import type { Outcome } from '../helpers/check.ts'
import { detailTextIn, latencyOf, marks, resentOf } from './detail.ts'
import { ladderOf, rungNames } from './ladder.ts'
import { matrixRows, type MatrixCell } from './matrix.ts'
import type { Leg, Run } from './model.ts'
import { identityText, originText, parallelText, phaseText, timeText } from './summary.ts'
import { clip, count, duration, oneLine, plain } from './text.ts'
import { countsOf, exitCodeMeanings } from './verdict.ts'

/** GitHub drops a step summary above 1024 KiB whole; the rest is for what else the step writes. */
const limitBytes = 900 * 1024

/** Markdown of a run, for the summary of a CI job. Never above 900 KiB: what does not fit is counted. */
export function renderMarkdown(run: Run): string {
  const overviews = run.legs.flatMap((leg) => [() => legHead(leg), ...tableBlocks(leg.outcomes)])
  const details = run.legs.flatMap(detailBlocks)
  const matrix = run.legs.length < 2 ? [] : [() => matrixBlock(run.legs)]
  return capped([() => verdictBlock(run), ...matrix, ...overviews, ...details])
}

/** A piece of the text that is whole or not there; made when its turn comes. */
export type Block = () => string

/**
 * Blocks as long as they fit; the last line says how many do not.
 *
 * @param whole where all of them are
 */
export function capped(blocks: readonly Block[], whole = 'run.json and junit.xml'): string {
  let text = ''
  let bytes = 0
  for (const [index, make] of blocks.entries()) {
    const block = make()
    bytes += Buffer.byteLength(block)
    if (bytes > limitBytes - 200)
      return `${text}\n**${count(blocks.length - index, 'more part')} did not fit: see ${whole}.**\n`
    text += block
  }
  return text
}

function verdictBlock(run: Run): string {
  const { exitCode, text } = run.verdict
  const symbol = exitCode === 0 ? '✅' : exitCode === 1 ? '❌' : '⚠️'
  const counts = countsOf(run.legs.flatMap(({ outcomes }) => outcomes))
  const counted = Object.entries(counts).filter(([, number]) => number > 0)
  const facts = [
    ...counted.map(([kind, number]) => `${number} ${kind}`),
    timeText(run),
    ...(run.parallel === undefined ? [] : [`memory ${parallelText(run.parallel)}`]),
    `exit code ${exitCode} (${exitCodeMeanings[exitCode]})`,
    ...(run.run.partial ? [`partial: ${inline(run.run.filter ?? 'some checks only')}`] : []),
  ]
  return `## ${symbol} ${inline(text)}\n\n${facts.join(' · ')}\n`
}

/** Ways x legs, one symbol and how many passed in each cell. */
function matrixBlock(legs: readonly Leg[]): string {
  const rows = matrixRows(legs).map(({ way, cells }) => [inline(way), ...cells.map(cellText)])
  if (rows.length === 0) return ''
  const head = ['', ...legs.map(({ cluster }) => inline(cluster.name))]
  return ['', head, head.map(() => '---'), ...rows]
    .map((cells) => (typeof cells === 'string' ? cells : `| ${cells.join(' | ')} |`))
    .concat('')
    .join('\n')
}

function cellText(cell: MatrixCell | undefined): string {
  return cell === undefined ? '' : `${emoji[cell.kind]} ${cell.passed}/${cell.total}`
}

function legHead(leg: Leg): string {
  const ladder = ladderOf(leg.outcomes).filter(({ state }) => state !== 'absent')
  const lines = [`\n### ${inline(leg.cluster.name)}`, '', inline(identityText(leg))]
  if (leg.origin !== undefined) lines.push('', `From ${inline(originText(leg.origin))}`)
  if (leg.outcomes.some(({ outcome }) => outcome !== 'not-run')) {
    const rungs = ladder.map(
      ({ rung, passed, failed, other, state }) =>
        `${rungNames[rung]} ${emoji[state === 'unknown' || state === 'absent' ? 'not-run' : state]} ${passed}/${passed + failed + other}`,
    )
    if (rungs.length > 0) lines.push('', rungs.join(' → '))
  }
  if (leg.diagnosis !== undefined) {
    const { rung, text, because } = leg.diagnosis
    lines.push('', `**Likely layer: ${rungNames[rung]}**: ${inline(text)}`, '')
    lines.push(...because.map((reason) => `- ${inline(reason)}`))
  }
  if (leg.setupFailure !== undefined) {
    const { phase, what, seen, next } = leg.setupFailure
    const text = [what, ...(seen === undefined ? [] : [`seen: ${seen}`]), `next: ${next}`].join('\n')
    lines.push('', `**Set-up failed in phase ${inline(phase)}**`, '', fenced(text))
  }
  if (leg.phases.length > 0) lines.push('', `Phases: ${inline(leg.phases.map(phaseText).join(' · '))}`)
  return `${lines.join('\n')}\n`
}

const emoji: Readonly<Record<Outcome['outcome'], string>> = {
  passed: '✅',
  failed: '❌',
  unsupported: '➖',
  expected: '🟡',
  'not-run': '⚠️',
}

/** A table for each topic; the first block of each is its head, then a block for each row. */
function tableBlocks(outcomes: readonly Outcome[]): Block[] {
  const topics = Map.groupBy(outcomes, ({ check }) => check.split('/')[0] ?? '')
  return [...topics].flatMap(([topic, checks]) => [
    () => `\n| ${inline(topic)} | | median | why |\n|---|---|---|---|\n`,
    ...checks.map((check) => () => row(check)),
  ])
}

function row(outcome: Outcome): string {
  const latency = latencyOf(outcome)
  const resent = resentOf(outcome)
  const median = [
    ...(latency === undefined ? [] : [duration(latency)]),
    ...(resent === 0 ? [] : [`resent ${resent}×`]),
  ]
  const cells = [
    inline(outcome.check),
    `${emoji[outcome.outcome]} ${outcome.outcome}`,
    median.join(', '),
    inline(clip(outcome.reason ?? '', 300)),
  ]
  return `| ${cells.join(' | ')} |\n`
}

/** What failed, folded away, each check a block of its own. */
function detailBlocks(leg: Leg): Block[] {
  const textOf = detailTextIn(leg.outcomes)
  return leg.outcomes
    .filter(({ outcome }) => outcome === 'failed')
    .map((outcome) => () => {
      const title = `${marks.failed} ${inline(leg.cluster.name)}: ${inline(outcome.check)}`
      return `\n<details><summary>${title}</summary>\n\n${fenced(textOf(outcome))}\n\n</details>\n`
    })
}

/**
 * Text from outside within a line of Markdown: nothing in it is markup, ends a table cell, becomes HTML or calls a
 * user by `@name`. Entities and not backslashes, because a backslash does nothing inside HTML such as a summary.
 */
export function inline(text: string): string {
  const escaped = oneLine(text).replaceAll(
    /[&<|`*_~[\]\\#$]/g,
    (character) => `&#${character.codePointAt(0)};`,
  )
  return escaped.replaceAll('@', '@&#8203;')
}

/** Text from outside on lines of its own, in a fence longer than any within. */
function fenced(text: string): string {
  const content = plain(text)
  const longest = Math.max(2, ...[...content.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}text\n${content}\n${fence}`
}
