import type { Outcome } from '../helpers/observation.ts'
import { capped, table, type Block } from './capped.ts'
import { detailTextIn, latencyOf, marks, ownMark, resentOf } from './detail.ts'
import { ladderOf, rungNames } from './ladder.ts'
import { matrixRows, type MatrixCell } from './matrix.ts'
import type { Leg, Run } from './model.ts'
import { coverageText, spentOf } from './scope.ts'
import { identityText, originText, parallelText, phaseText, timeText } from './summary.ts'
import { clip, duration, oneLine, plain } from './text.ts'
import { countsOf, exitCodeMeanings } from './verdict.ts'

/**
 * Markdown of a run, for the summary of a CI job, never above {@link summaryLimitBytes}. What is wrong comes first, on
 * all legs, so that of a run too large for one summary it is the rows of what passed that are counted instead of shown.
 */
export function renderMarkdown(run: Run): string {
  const { legs } = run
  return capped([
    { what: 'verdict', make: () => verdictBlock(run) },
    ...(legs.length < 2 ? [] : matrixBlocks(legs)),
    ...legs.map((leg) => ({ what: 'leg', make: () => legHead(leg, run) })),
    ...reasonBlocks(legs),
    ...legs.flatMap(detailBlocks),
    ...legs.flatMap((leg) => tableBlocks(leg, legs.length > 1)),
  ])
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
function matrixBlocks(legs: readonly Leg[]): Block[] {
  const names = legs.map(({ cluster }) => inline(clip(oneLine(cluster.name), 40)))
  const rows = matrixRows(legs)
  return table('matrix row', ['', ...names], rows, ({ way, cells }) => [inline(way), ...cells.map(cellText)])
}

/**
 * What did not pass, the worst first. A leg on which nothing ran has one reason for all, and that is told with the leg.
 */
function reasonBlocks(legs: readonly Leg[]): Block[] {
  const many = legs.length > 1
  const troubled = legs
    .filter(({ outcomes }) => outcomes.some(({ outcome }) => outcome !== 'not-run'))
    .flatMap(({ cluster, outcomes }) => outcomes.map((outcome) => ({ outcome, name: cluster.name })))
  const rows = (['failed', 'not-run', 'expected'] as const).flatMap((kind) =>
    troubled.filter(({ outcome }) => outcome.outcome === kind),
  )
  return table('reason', ['did not pass', ...(many ? ['leg'] : []), '', 'why'], rows, ({ outcome, name }) => [
    inline(outcome.check),
    ...(many ? [inline(name)] : []),
    `${emoji[outcome.outcome]} ${outcome.outcome}`,
    inline(clip(outcome.reason ?? '', 300)),
  ])
}

function cellText(cell: MatrixCell | undefined): string {
  return cell === undefined ? '' : `${emoji[cell.kind]} ${cell.passed}/${cell.total}`
}

function legHead(leg: Leg, run: Run): string {
  const ladder = ladderOf(leg.outcomes).filter(({ state }) => state !== 'absent')
  const lines = [`\n### ${inline(leg.cluster.name)}`, '', inline(identityText(leg))]
  if (leg.origin !== undefined) lines.push('', `From ${inline(originText(leg.origin))}`)
  const coverage = coverageText(leg)
  if (coverage !== undefined) lines.push('', `Coverage: ${inline(coverage)}`)
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
  const spent = spentOf(leg, run)
  if (spent !== undefined)
    lines.push('', `${spent.ms > spent.budget.ms ? '⚠️ ' : ''}Budget: ${inline(spent.text)}`)
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

/** Every check: a table for each topic. */
function tableBlocks({ cluster, outcomes }: Leg, named: boolean): Block[] {
  const topics = Map.groupBy(outcomes, ({ check }) => check.split('/')[0] ?? '')
  const [first, ...blocks] = [...topics].flatMap(([topic, checks]) =>
    table('row', [inline(topic), '', 'median', 'why'], checks, checkCells),
  )
  if (first === undefined) return []
  const title = named ? `\n### Every check on ${inline(cluster.name)}\n` : ''
  return [{ what: first.what, make: () => `${title}${first.make()}` }, ...blocks]
}

function checkCells(outcome: Outcome): string[] {
  const latency = latencyOf(outcome)
  const resent = resentOf(outcome)
  const median = [
    ...(latency === undefined ? [] : [duration(latency)]),
    ...(resent === 0 ? [] : [`resent ${resent}×`]),
  ]
  return [
    `${inline(outcome.check)}${outcome.own === true ? ` (${ownMark})` : ''}`,
    `${emoji[outcome.outcome]} ${outcome.outcome}`,
    median.join(', '),
    inline(clip(outcome.reason ?? '', 300)),
  ]
}

/** What failed, folded away, each check a block of its own. */
function detailBlocks(leg: Leg): Block[] {
  const textOf = detailTextIn(leg.outcomes)
  return leg.outcomes
    .filter(({ outcome }) => outcome === 'failed')
    .map((outcome) => ({
      what: 'failure detail',
      make: () => {
        const title = `${marks.failed} ${inline(leg.cluster.name)}: ${inline(outcome.check)}`
        return `\n<details><summary>${title}</summary>\n\n${fenced(textOf(outcome))}\n\n</details>\n`
      },
    }))
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

/** Characters of one text in a fence: what a kubelet or a build said can be any length, and others need room, too. */
const maxFenced = 20_000

/** Text from outside on lines of its own, in a fence longer than any within. */
function fenced(text: string): string {
  const content = clip(plain(text), maxFenced)
  const longest = Math.max(2, ...[...content.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}text\n${content}\n${fence}`
}
