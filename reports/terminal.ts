import type { Outcome } from '../helpers/observation.ts'
import { aboutText, detailsIn, latencyOf, marks, ownMark, resentOf, splitId, type Detail } from './detail.ts'
import { ladderOf, rungNames, type LadderRung } from './ladder.ts'
import { colours, flow, labelled, mark, paperFor, type Paper, type Piece } from './layout.ts'
import { matrixLines } from './matrix.ts'
import type { Diagnosis, Leg, Run } from './model.ts'
import { coverageText, spentOf } from './scope.ts'
import { identityText, originText, parallelText, phaseText, timeText } from './summary.ts'
import { count, duration, glued, oneLine, wrap } from './text.ts'
import { countsOf, exitCodeMeanings } from './verdict.ts'

/** What a run is rendered for. */
export interface RenderOptions {
  /** Where the text will go; decides about colour and width. */
  stream: NodeJS.WritableStream
  /** Instead of the stream's own width. */
  columns?: number
  /** Folder of the reports as the user would type it. */
  folder?: string
}

/** A whole run, for a person: each leg, the matrix of several, the summary. No line end after the last line. */
export function renderRun(run: Run, options: RenderOptions): string {
  const legs = run.legs.map((leg) => renderLeg(leg, options))
  return [...legs, ...matrixBlock(run, options), renderSummary(run, options)].join('\n\n')
}

/** A run of several legs on one page: what each is and why it is not green, the matrix, the summary. */
export function renderOverview(run: Run, options: RenderOptions): string {
  const paper = paperFor(options.stream, options.columns)
  const legs = run.legs.map((leg) => {
    const what = [...header(leg, paper), ...originLines(leg, paper), ...diagnosisLines(leg, paper)]
    return [what, setupFailureLines(leg, paper)]
      .filter((lines) => lines.length > 0)
      .map((lines) => lines.join('\n'))
      .join('\n\n')
  })
  const failed = run.legs.some(({ outcomes }) => outcomes.some(({ outcome }) => outcome === 'failed'))
  const details =
    failed && options.folder !== undefined
      ? labelled('details', `cni-conformance report ${options.folder}`, paper, 2)
      : []
  const summary = [renderSummary(run, options), ...details].join('\n')
  return [...legs, ...matrixBlock(run, options), summary].join('\n\n')
}

function matrixBlock({ legs }: Run, { stream, columns }: RenderOptions): string[] {
  const lines = legs.length < 2 ? [] : matrixLines(legs, paperFor(stream, columns))
  return lines.length === 0 ? [] : [lines.join('\n')]
}

/** One leg: who it was, the ladder and the likely layer, the checks by topic, the details of what did not pass. */
export function renderLeg(leg: Leg, options: RenderOptions): string {
  const paper = paperFor(options.stream, options.columns)
  const details = detailsIn(leg.outcomes, options.folder)
  const nothingRan = leg.outcomes.every(({ outcome }) => outcome === 'not-run')
  const blocks = [
    [...header(leg, paper), ...originLines(leg, paper), ...coverageLines(leg, paper)],
    ...(nothingRan
      ? []
      : [ladderLines(leg, paper), diagnosisLines(leg, paper), topicLines(leg.outcomes, paper)]),
    ...failedBlocks(leg, details, paper),
    ...withReasonLines(leg, paper),
    setupFailureLines(leg, paper),
    phaseLines(leg, paper),
  ]
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')
}

/** The verdict, the counts, the time, what the exit code means, where the reports lie. */
export function renderSummary(run: Run, options: RenderOptions): string {
  const paper = paperFor(options.stream, options.columns)
  const { exitCode, text } = run.verdict
  const counts = Object.entries(countsOf(run.legs.flatMap(({ outcomes }) => outcomes)))
  const some = counts.filter(([kind, number]) => number > 0 || kind === 'passed' || kind === 'failed')
  const colour = exitCode === 0 ? 'green' : exitCode === 1 ? 'red' : 'yellow'
  const symbol = exitCode === 0 ? marks.passed : exitCode === 1 ? marks.failed : marks['not-run']
  const lines = wrap(`${symbol} ${oneLine(text)}`, paper.columns)
  return [
    ...lines.map((line) => paper.style('bold', paper.style(colour, line))),
    // Again: the details may have scrolled the ladder away.
    ...run.legs.flatMap(({ cluster, diagnosis }) => {
      if (diagnosis === undefined) return []
      const where = run.legs.length < 2 ? '' : `on ${oneLine(cluster.name)}, `
      return labelled('likely', `${where}${likelyText(diagnosis)}`, paper, 2)
    }),
    ...labelled(
      'checks',
      some.map(([kind, number]) => `${number} ${kind === 'not-run' ? 'not run' : kind}`).join(', '),
      paper,
      2,
    ),
    ...labelled('time', timeText(run), paper, 2),
    ...run.legs.flatMap((leg) => budgetLines(leg, run, paper)),
    ...(run.parallel === undefined ? [] : labelled('memory', parallelText(run.parallel), paper, 2)),
    ...labelled('exit code', `${exitCode}, ${exitCodeMeanings[exitCode]}`, paper, 2),
    ...(run.run.partial
      ? labelled('partial', `only ${oneLine(run.run.filter ?? 'some checks')}`, paper, 2)
      : []),
    ...(options.folder === undefined
      ? []
      : labelled('reports', `${options.folder}/{report.html,run.json,junit.xml,summary.md}`, paper, 2)),
  ].join('\n')
}

function header(leg: Leg, paper: Paper): string[] {
  const name = oneLine(leg.cluster.name)
  const lines = wrap(identityText(leg), paper.columns - name.length - 2)
  return lines.map((line, index) =>
    index === 0
      ? `${paper.style('bold', name)}  ${paper.style('dim', line)}`
      : ' '.repeat(name.length + 2) + paper.style('dim', line),
  )
}

/** What a leg took of the time that its profile has. */
function budgetLines(leg: Leg, run: Run, paper: Paper): string[] {
  const spent = spentOf(leg, run)
  if (spent === undefined) return []
  const where = run.legs.length < 2 ? '' : `${oneLine(leg.cluster.name)}: `
  const lines = labelled('budget', `${where}${spent.text}`, paper, 2)
  return spent.ms > spent.budget.ms ? lines.map((line) => paper.style('yellow', line)) : lines
}

/** Of a leg of a merged run: where it comes from. */
function originLines({ origin }: Leg, paper: Paper): string[] {
  return origin === undefined ? [] : labelled('from', originText(origin), paper, 2)
}

/** Which of its nodes were asked. */
function coverageLines(leg: Leg, paper: Paper): string[] {
  const text = coverageText(leg)
  return text === undefined ? [] : labelled('coverage', text, paper, 2)
}

function ladderLines(leg: Leg, paper: Paper): string[] {
  const ladder = ladderOf(leg.outcomes).filter(({ state }) => state !== 'absent')
  if (ladder.length === 0) return []
  const pieces = ladder.map((rung, index) => rungPiece(rung, index > 0, paper))
  return flow('', 0, pieces, paper, 2, ' ')
}

function rungPiece({ rung, passed, failed, other, state }: LadderRung, arrow: boolean, paper: Paper): Piece {
  const kind = state === 'passed' ? 'passed' : state === 'failed' ? 'failed' : 'not-run'
  const text = `${rungNames[rung]} ${marks[kind]} ${passed}/${passed + failed + other}`
  return {
    plain: `${arrow ? '→ ' : ''}${text}`,
    styled: `${arrow ? `${paper.style('dim', '→')} ` : ''}${paper.style(colours[kind], text)}`,
  }
}

function diagnosisLines({ diagnosis }: Leg, paper: Paper): string[] {
  if (diagnosis === undefined) return []
  return [
    ...labelled('likely', likelyText(diagnosis), paper, 2),
    ...diagnosis.because.flatMap((reason) => labelled('-', oneLine(reason), paper, 12, 2)),
  ]
}

function likelyText({ rung, text }: Diagnosis): string {
  return `${rungNames[rung]}: ${oneLine(text)}`
}

/** One row for each way, its checks side by side: the id of a check is its row and its word, joined by a slash. */
function topicLines(outcomes: readonly Outcome[], paper: Paper): string[] {
  const rows = Map.groupBy(
    outcomes,
    (outcome) => `${oneLine(splitId(outcome.check)[0])}${outcome.own === true ? ` (${ownMark})` : ''}`,
  )
  const width = Math.max(0, ...[...rows.keys()].map((way) => way.length)) + 2
  return [...rows].flatMap(([way, checks]) =>
    flow(
      way,
      width,
      checks.map((check) => checkPiece(check, paper)),
      paper,
      2,
    ),
  )
}

function checkPiece(outcome: Outcome, paper: Paper): Piece {
  const what = oneLine(splitId(outcome.check)[1])
  const latency = latencyOf(outcome)
  const resent = resentOf(outcome)
  const facts = [
    ...(latency === undefined || outcome.outcome !== 'passed' ? [] : [duration(latency)]),
    // A probe that had to be sent again is not hidden by its success.
    ...(resent === 0 || outcome.outcome !== 'passed' ? [] : [`resent ${resent}×`]),
  ].join(', ')
  const tail = facts === '' ? '' : ` ${facts}`
  const name = outcome.outcome === 'failed' ? paper.style('red', what) : what
  return {
    plain: `${marks[outcome.outcome]} ${what}${tail}`,
    styled: `${mark(outcome.outcome, paper)} ${name}${tail === '' ? '' : paper.style(resent === 0 ? 'dim' : 'yellow', tail)}`,
  }
}

/** Failed checks that are told in full. */
const shownInFull = 5

/** The failed checks of the first broken rung in full, those above it, which may only follow from it, by a line each. */
function failedBlocks(
  { outcomes, diagnosis }: Leg,
  details: (outcome: Outcome) => readonly Detail[],
  paper: Paper,
): string[][] {
  const failed = outcomes.filter(({ outcome }) => outcome === 'failed')
  const first = failed.filter(({ rung }) => rung === diagnosis?.rung)
  const full = new Set([...first, ...failed].slice(0, shownInFull))
  const rest = failed.filter((each) => !full.has(each))
  return [
    ...failed.filter((each) => full.has(each)).map((each) => failedLines(each, details(each), paper)),
    rest.length === 0 ? [] : restLines(rest, paper),
  ]
}

function restLines(rest: readonly Outcome[], paper: Paper): string[] {
  const width = Math.max(...rest.map(({ check }) => oneLine(check).length)) + 2
  return [
    `${mark('failed', paper)} ${paper.style('bold', `${count(rest.length, 'more check')} failed`)} ${paper.style('dim', 'in full in summary.md and junit.xml')}`,
    ...rest.map(({ check, reason }) => {
      const seen = oneLine(reason ?? '', Math.max(20, paper.columns - width - 2))
      return `  ${oneLine(check).padEnd(width)}${paper.style('dim', seen)}`
    }),
  ]
}

function failedLines(outcome: Outcome, details: readonly Detail[], paper: Paper): string[] {
  return [
    `${mark(outcome.outcome, paper)} ${paper.style('bold', oneLine(outcome.check))} ${paper.style('dim', oneLine(aboutText(outcome)))}`,
    ...details.flatMap(({ label, text }) => labelled(label, text, paper, 2)),
  ]
}

/** What did not pass without being a failure: one block for each reason, with the checks that it holds for. */
function withReasonLines({ outcomes, setupFailure }: Leg, paper: Paper): string[][] {
  const blocks = Object.entries(reasonTitles).flatMap(([kind, title]) => {
    const here = outcomes.filter(({ outcome }) => outcome === kind)
    const byReason = Map.groupBy(here, ({ reason }) => oneLine(reason ?? 'no reason given'))
    return [...byReason].map(([reason, checks]) => ({
      kind: kind as keyof typeof reasonTitles,
      title,
      reason,
      checks,
    }))
  })
  return blocks.flatMap(({ kind, title, reason, checks }) => {
    const all = checks.length === outcomes.length
    // The failed set-up tells it itself.
    if (all && setupFailure !== undefined) return []
    const names = checks.map(({ check }) => oneLine(check)).map((name) => ({ plain: name, styled: name }))
    return [
      [
        `${mark(kind, paper)} ${paper.style('bold', `${count(checks.length, 'check')} ${title}`)}`,
        ...labelled('why', reason, paper, 2),
        ...(all ? [] : flow(paper.style('dim', 'which'.padEnd(10)), 10, names, paper, 2)),
      ],
    ]
  })
}

const reasonTitles = {
  expected: 'deviated as expected',
  unsupported: 'unsupported',
  'not-run': 'not run',
} as const

function setupFailureLines({ setupFailure, outcomes }: Leg, paper: Paper): string[] {
  if (setupFailure === undefined) return []
  const { phase, what, seen, next } = setupFailure
  const block = (label: string, text: string): string[] =>
    text.split('\n').flatMap((line, index) => labelled(index === 0 ? label : '', oneLine(line), paper, 2))
  return [
    `${mark('not-run', paper)} ${paper.style('bold', `set-up failed in phase ${oneLine(phase)}`)}`,
    ...block('what', what),
    ...(seen === undefined ? [] : block('seen', seen)),
    ...block('next', next),
    ...labelled('cost', `${count(countsOf(outcomes)['not-run'], 'check')} did not run`, paper, 2),
  ]
}

function phaseLines(leg: Leg, paper: Paper): string[] {
  return leg.phases.length === 0
    ? []
    : labelled('phases', leg.phases.map((phase) => glued(phaseText(phase))).join(' · '), paper, 2)
}
