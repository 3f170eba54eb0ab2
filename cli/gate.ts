import { shown } from '../helpers/shown.ts'
import { renderGateMarkdown } from '../reports/gate-markdown.ts'
import { renderGate } from '../reports/gate-text.ts'
import { compareRuns } from '../reports/gate.ts'
import type { Problems } from './flags.ts'
import { loadSoundRuns } from './load-run.ts'

/** Flags of `gate` as commander leaves them. */
export interface GateFlags {
  maxSlowdown?: string
  anyOrder?: true
  format?: string
}

/**
 * `gate <before> <after>`: what changed for the network between two runs, from their reports alone.
 *
 * @returns the exit code: 0 no regression, 1 regression, 3 inconclusive
 * @throws {UsageError} with everything that is wrong with either report, and why they cannot be compared
 */
export async function gateCommand(
  paths: readonly string[],
  flags: GateFlags,
  output: 'text' | 'json',
  problems: Problems,
): Promise<number> {
  const format = problems.oneOf('--format', flags.format, ['text', 'json', 'markdown']) ?? output
  const maxSlowdown = readFactor(flags.maxSlowdown, problems)
  const [before, after] = await loadSoundRuns(paths, problems)
  problems.throwIfAny()
  if (before === undefined || after === undefined) throw new Error('two runs were asked for')
  const gate = compareRuns(before, after, {
    ...(maxSlowdown === undefined ? {} : { maxSlowdown }),
    anyOrder: flags.anyOrder === true,
  })
  const texts = {
    text: () => `${renderGate(gate, { stream: process.stdout })}\n`,
    json: () => `${JSON.stringify(gate, undefined, 2)}\n`,
    markdown: () => renderGateMarkdown(gate),
  }
  process.stdout.write(texts[format]())
  return gate.verdict.exitCode
}

function readFactor(text: string | undefined, problems: Problems): number | undefined {
  if (text === undefined) return undefined
  const factor = /^\d{1,4}(\.\d{1,3})?$/.test(text) ? Number(text) : 0
  if (factor >= 1) return factor
  problems.add(`--max-slowdown: expected how many times longer, 1 or more, such as 2, got ${shown(text)}`)
  return undefined
}
