import type { FirstPlan, FirstReport, FirstResult } from '../agent/first-packets.ts'
import { agentPorts } from '../agent/protocol.ts'
import { budgets } from '../budgets.ts'
import type { Step } from '../check-steps.ts'
import type { Verdict } from '../check-probes.ts'
import type { Observation, Outcome } from '../observation.ts'
import { podEnd } from '../plan/planned.ts'
import type { Cell } from './step-cells.ts'
import { rounded } from '../inspect.ts'

/** What a pod could reach in its first moments, held against its policies. Pure. */

/** Milliseconds between two rounds of questions: how exact the leak window is. */
const everyMs = 10

/** The questions of a newcomer. */
export const firstPlan = (cells: readonly Cell[]): FirstPlan => ({
  targets: cells.map(({ to }) => ({ name: to.name, host: to.ip, port: agentPorts.tcp })),
  everyMs,
  durationMs: budgets.firstPacketsMs.ms,
  timeoutMs: budgets.policyProbeMs.ms,
})

/** One observation per target. */
export function judgeFirst(step: Step, cells: readonly Cell[], report: FirstReport): Observation[] {
  const results = new Map(report.results.map((result) => [result.name, result]))
  const answered = cells.some((cell) => cell.allowed && reached(cell, results.get(cell.to.name)))
  return cells.map((cell) => {
    const result = results.get(cell.to.name)
    if (result === undefined)
      return observation(step, cell, undefined, 'unknown', 'the newcomer did not report on it')
    if (result.peers.some((uid) => uid !== cell.to.uid)) {
      return observation(step, cell, result, 'wrong-peer', `answered by uid ${result.peers.join(', ')}`)
    }
    if (result.answered > 0) {
      const leak = `${result.answered} of ${result.asked} connections were answered, the last of them begun ${report.startedMs + (result.lastMs ?? 0)} ms after the start of its program, although ${cell.because}`
      return observation(step, cell, result, 'reached', cell.allowed ? undefined : leak)
    }
    if (cell.allowed || answered) {
      const silent = `none of ${result.asked} connections in ${budgets.firstPacketsMs.ms} ms was answered, although ${cell.because}`
      return observation(step, cell, result, 'timed-out', cell.allowed ? silent : undefined)
    }
    return observation(
      step,
      cell,
      result,
      'unknown',
      'nobody at all answered the newcomer: the silence may have another cause',
    )
  })
}

const reached = ({ to }: Cell, result: FirstResult | undefined): boolean =>
  result?.peers.includes(to.uid) ?? false

/** For a newcomer that did not start or said nothing. */
export const nothingKnown = (step: Step, cells: readonly Cell[], why: string): Observation[] =>
  cells.map((cell) => observation(step, cell, undefined, 'unknown', why))

function observation(
  step: Step,
  { from, to, via, protocol, allowed }: Cell,
  result: FirstResult | undefined,
  verdict: Verdict,
  detail: string | undefined,
): Observation {
  return {
    step: step.name,
    probe: `${from.name} -> ${to.name} via ${via} over ${protocol}, from its first moment`,
    from: { name: from.fullName, node: from.pinnedTo },
    to: podEnd(to, agentPorts.tcp),
    via,
    protocol,
    expected: allowed ? 'reached' : 'timed-out',
    verdict,
    attempts: result?.asked ?? 0,
    asked: result?.asked ?? 0,
    answered: result?.answered ?? 0,
    peers: [],
    ...(detail === undefined ? {} : { detail }),
  }
}

/** Times from the start of the newcomer's program. A leak of 0 ms: nothing that is denied was ever answered. */
export function firstMeasurements(
  cells: readonly Cell[],
  { startedMs, results }: FirstReport,
): NonNullable<Outcome['measurements']> {
  const of = (allowed: boolean): FirstResult[] =>
    results.filter(({ name }) => cells.some((cell) => cell.to.name === name && cell.allowed === allowed))
  const first = Math.min(...of(true).map(({ firstMs = Infinity }) => firstMs))
  const last = Math.max(...of(false).map(({ lastMs = -Infinity }) => lastMs))
  return [
    { name: 'pod start to first question', ms: rounded(startedMs) },
    ...(Number.isFinite(first)
      ? [{ name: 'pod start to first allowed answer', ms: rounded(startedMs + first) }]
      : []),
    { name: 'leak after pod start', ms: Number.isFinite(last) ? rounded(startedMs + last) : 0 },
  ]
}
