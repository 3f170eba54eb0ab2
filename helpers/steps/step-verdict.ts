import type { Step } from '../check-steps.ts'
import type { Verdict } from '../check-probes.ts'
import type { Observation } from '../observation.ts'
import type { Declared } from '../outcome.ts'
import type { PlannedProbe } from '../plan/planned.ts'
import type { Cell } from './step-cells.ts'
import { observe, type Replies } from '../verdict.ts'
import type { World } from '../world.ts'

/**
 * What the probes of a step say. Pure. Two rules beside those of verdict.ts: silence counts as denied only while those of
 * its ends that are there answered somebody at the same time, and a control that fails makes the rest unknown.
 */

/** How a denied connection may end: silence, and a refusal only where the cluster declares that its policies refuse. */
function deniedEnds({ features }: Declared): readonly Verdict[] {
  return features.includes('network-policy-refuses') ? ['timed-out', 'refused', 'unreachable'] : ['timed-out']
}

/** One cell as a round saw it. */
export interface SeenCell {
  cell: Cell
  planned: PlannedProbe
  observation: Observation
  /** Milliseconds of its slowest answer; undefined without one. */
  slowestMs: number | undefined
}

/** What a round saw of each cell, before controls are looked at. */
export function see(
  cells: readonly Cell[],
  plan: readonly PlannedProbe[],
  replies: Replies,
  world: World,
  declared: Declared,
): SeenCell[] {
  const accepted = deniedEnds(declared)
  return plan.flatMap((planned, index) => {
    const cell = cells[index]
    if (cell === undefined) return []
    const seen = { ...observe(planned, replies, world), ...unresolved(cell, planned, replies) }
    const silent = cell.silentEnds ?? accepted
    const expected = !cell.allowed && silent.includes(seen.verdict) ? seen.verdict : seen.expected
    const answers = planned.questions.flatMap(({ agent, wire }) => {
      const result = replies.result(agent, wire.id)
      return result?.end === 'answered' ? [result.ms] : []
    })
    return [
      {
        cell,
        planned,
        observation: { ...seen, expected },
        slowestMs: answers.length === 0 ? undefined : Math.max(...answers),
      },
    ]
  })
}

/** Nobody was asked where the name led to nothing for want of a DNS server: that silence is not the address's. */
function unresolved(
  { via }: Cell,
  { questions }: PlannedProbe,
  replies: Replies,
): Pick<Observation, 'verdict' | 'detail'> | undefined {
  if (via !== 'former-record') return undefined
  const lost = questions.some(({ agent, wire }) => {
    const result = replies.result(agent, wire.id)
    return result?.end === 'timeout' && result.phase === 'resolve'
  })
  return lost ? { verdict: 'unknown', detail: 'the record was not resolved in time' } : undefined
}

/** Is the cell as the state of its check says? */
export const isAsExpected = ({ observation }: SeenCell): boolean =>
  observation.verdict === observation.expected

/**
 * The observations of a step.
 *
 * @param deniedMs milliseconds that a denied probe was given; a control that took longer is none
 */
export function judgeStep(
  step: Step,
  seen: readonly SeenCell[],
  declared: Declared,
  deniedMs: number,
): Observation[] {
  const judged = seen.map((each) => withControls(each, seen, deniedMs))
  return judged.map((observation, index) => {
    const named = { step: step.name, ...observation }
    if (observation.verdict === observation.expected) return named
    const cell = seen[index]?.cell
    if (step.role === 'control') return failedControl(named, cell?.check.policies !== undefined)
    if (observation.verdict === 'unknown') return named
    return {
      ...named,
      detail: `${observation.detail ?? `saw ${observation.verdict}`}${why(step, cell, declared)}`,
    }
  })
}

function why(step: Step, cell: Cell | undefined, declared: Declared): string {
  if (step.effectNeeds !== undefined && !declared.features.includes(step.effectNeeds)) {
    return `, although the cluster does not declare ${step.effectNeeds}: somebody enforces policies here; declare the feature, so that they are checked`
  }
  return cell === undefined ? '' : `, although ${cell.because}`
}

/** What a control missed, which makes the rest unknown. */
export function failedControl(observation: Observation, ofPolicies: boolean): Observation {
  const { verdict, expected, detail } = observation
  const seen = `${verdict === 'unknown' ? '' : `${verdict} instead of ${expected}: `}${detail ?? ''}`
  const then = ofPolicies
    ? 'while the path does not work by itself, a deny proves nothing'
    : 'while this does not work, the silence that comes after it proves nothing'
  return { ...observation, verdict: 'unknown', detail: `control: ${seen}; ${then}` }
}

/** Silence is evidence of a deny only beside answers over the network to or from both of its ends. */
function withControls(each: SeenCell, all: readonly SeenCell[], deniedMs: number): Observation {
  const { cell, observation } = each
  if (cell.allowed || observation.verdict !== observation.expected) return observation
  const unproven = cell.witnesses.filter(
    (end) => !all.some((other) => isControlOf(other, end, cell, deniedMs)),
  )
  if (unproven.length === 0) return observation
  const names = unproven.map(({ fullName }) => fullName).join(' and ')
  return {
    ...observation,
    verdict: 'unknown',
    detail: `${observation.verdict}, but nobody got an answer from or to ${names} within ${deniedMs} ms at the same time: the silence may have another cause`,
  }
}

const transportOf = ({ protocol }: Cell): 'tcp' | 'udp' => (protocol === 'udp' ? 'udp' : 'tcp')

/** A cell with this end that was answered in time, over the same transport. A pod that asks itself sends no packet. */
function isControlOf(other: SeenCell, end: Cell['from'], denied: Cell, deniedMs: number): boolean {
  const { cell, observation, slowestMs } = other
  return (
    couldControl(cell, end, denied) &&
    observation.verdict === 'reached' &&
    slowestMs !== undefined &&
    slowestMs <= deniedMs
  )
}

/** Would an answer to this cell prove that a witness of the denied one was there? */
export function couldControl(cell: Cell, end: Cell['from'], denied: Cell): boolean {
  return (
    cell.allowed &&
    cell.record === undefined &&
    cell.from !== cell.to &&
    transportOf(cell) === transportOf(denied) &&
    (cell.from === end || cell.mayAnswer.includes(end))
  )
}
