import { wordsFor } from './gate-moves.ts'
import type { Change, ComparedLeg, Effect, Gate } from './gate-model.ts'
import { changeText, countsText, gateMeanings, latencyText, sideText } from './gate-text.ts'
import { capped, inline, type Block } from './markdown.ts'
import { clip } from './text.ts'

const emoji: Readonly<Record<Effect, string>> = { red: '❌', open: '⚠️', loud: '🟡', quiet: '✅' }

/** Markdown of a comparison, for the summary of a CI job; never above the limit of those. */
export function renderGateMarkdown(gate: Gate): string {
  return capped([() => head(gate), ...gate.legs.flatMap(legBlocks)], '`gate -o json`')
}

function head(gate: Gate): string {
  const { exitCode, text } = gate.verdict
  const symbol = emoji[exitCode === 0 ? 'quiet' : exitCode === 1 ? 'red' : 'open']
  const lines = [
    `## ${symbol} ${inline(text)}`,
    '',
    `Exit code ${exitCode} (${gateMeanings[exitCode]}).`,
    '',
    `- before: ${inline(sideText(gate.before))}`,
    `- after: ${inline(sideText(gate.after))}`,
    ...gate.differences.map(
      ({ what, before, after }) => `- ${inline(what)}: ${inline(before)} → ${inline(after)}`,
    ),
    `- latency: ${inline(latencyText(gate))}`,
  ]
  return `${lines.join('\n')}\n`
}

function legBlocks(leg: ComparedLeg): Block[] {
  const told = leg.changes.filter(({ change, effect }) => change !== 'same' || effect !== 'quiet')
  return [
    () => legHead(leg),
    ...(told.length === 0 ? [] : [() => '\n| check | | why |\n|---|---|---|\n']),
    ...told.map((change) => () => row(change)),
  ]
}

function legHead({ name, differences, open, ...leg }: ComparedLeg): string {
  const lines = [`\n### ${inline(name)}`, '', inline(countsText({ name, differences, open, ...leg }))]
  const facts = [
    ...open.map((end) => `- ⚠️ ${inline(end)}`),
    ...differences.map(
      ({ what, before, after }) => `- ${inline(what)}: ${inline(before)} → ${inline(after)}`,
    ),
  ]
  return `${[...lines, ...(facts.length === 0 ? [] : ['', ...facts])].join('\n')}\n`
}

function row(change: Change): string {
  const words = `${emoji[change.effect]} ${wordsFor(change.change, change.effect)}`
  return `| ${[inline(change.check), words, inline(clip(changeText(change), 400))].join(' | ')} |\n`
}
