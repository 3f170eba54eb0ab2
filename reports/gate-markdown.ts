import { capped, table, type Block } from './capped.ts'
import { wordsFor } from './gate-moves.ts'
import { effects, type ComparedLeg, type Effect, type Gate } from './gate-model.ts'
import { changeText, countsText, gateMeanings, latencyText, sideText } from './gate-text.ts'
import { inline } from './markdown.ts'
import { clip } from './text.ts'

const emoji: Readonly<Record<Effect, string>> = { red: '❌', open: '⚠️', loud: '🟡', quiet: '✅' }

/**
 * Markdown of a comparison, for the summary of a CI job; never above the limit of those. What stops the gate comes
 * first, on all legs.
 */
export function renderGateMarkdown(gate: Gate): string {
  const blocks = [
    { what: 'verdict', make: () => head(gate) },
    ...gate.legs.map((leg) => ({ what: 'leg', make: () => legHead(leg) })),
    ...changeBlocks(gate.legs),
  ]
  return capped(blocks, '`gate -o json`')
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

/** What changed, the worst first. */
function changeBlocks(legs: readonly ComparedLeg[]): Block[] {
  const many = legs.length > 1
  const all = legs.flatMap(({ name, changes }) => changes.map((change) => ({ name, change })))
  const told = all.filter(({ change: { change, effect } }) => change !== 'same' || effect !== 'quiet')
  const rows = effects.flatMap((effect) => told.filter(({ change }) => change.effect === effect))
  return table('change', ['check', ...(many ? ['leg'] : []), '', 'why'], rows, ({ name, change }) => [
    inline(change.check),
    ...(many ? [inline(name)] : []),
    `${emoji[change.effect]} ${wordsFor(change.change, change.effect)}`,
    inline(clip(changeText(change), 400)),
  ])
}
