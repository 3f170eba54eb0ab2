import { untilAwake } from '../ask-awake.ts'
import { sleep } from '../await.ts'
import { budgets } from '../budgets.ts'
import type { Step } from '../check-steps.ts'
import type { Declared } from '../outcome.ts'
import type { PlannedProbe } from '../plan/planned.ts'
import { planCells, type Asking, type Cell } from './step-cells.ts'
import { isAsExpected, see, type SeenCell } from './step-verdict.ts'
import type { Replies } from '../verdict.ts'
import type { World } from '../world.ts'

/** What rounds of a step are asked on. */
export interface RoundContext {
  world: World
  declared: Declared
  /** Asks all probes at the same time. */
  ask(probes: PlannedProbe[]): Promise<Replies>
  signal?: AbortSignal
  /** Milliseconds that flows must stand still to be a finding; budgets such as policySettledMs unless said. */
  settledMs?: number
}

/** A check in one of its steps. */
export interface Turn {
  step: Step
  cells: readonly Cell[]
  /** Milliseconds that were waited for its agents to have a processor; undefined where they had one. */
  starvedMs?: number
}

/** How the round that is judged asks. Three probes to a cell, so that one lost packet makes no deny. */
export const verdictRound: Asking = {
  tries: 3,
  allowedMs: budgets.probeMs.ms,
  deniedMs: budgets.policyProbeMs.ms,
}

/** How long flows must go on where the cluster does not declare that anybody enforces the policy. */
export const holdOf = ({ apply, effectNeeds }: Step, { features }: Declared): number =>
  apply.length > 0 && effectNeeds !== undefined && !features.includes(effectNeeds)
    ? budgets.policyIgnoredMs.ms
    : 0

/** A round that only looks whether it is worth asking for a verdict. */
const lookRound: Asking = {
  tries: 1,
  allowedMs: budgets.policyRoundMs.ms,
  deniedMs: budgets.policyLookMs.ms,
}

/** Between two looks, in milliseconds: the first ones, and the slowest. */
const [betweenLooksMs, slowestPauseMs] = [20, 500]

/** Looks in quick succession: a second of them, five times what enforcing takes on an idle machine. */
const quickLooks = 10

/**
 * How to look when so many looks have found something that is not right. Where quick ones have not helped, each gives the
 * answers more time and comes later: on a busy machine an answer takes longer than a quick look waits, and what is kept
 * busy by our questions enforces later still.
 */
function paceAfter(wrongLooks: number): { asking: Asking; pauseMs: number } {
  const factor = 1.3 ** Math.max(0, wrongLooks - quickLooks)
  const allowedMs = Math.min(lookRound.allowedMs * factor, budgets.policyProbeMs.ms)
  return {
    asking: { ...lookRound, allowedMs },
    pauseMs: Math.min(betweenLooksMs * factor, slowestPauseMs),
  }
}

/** What one round saw, turn by turn. */
export type Seen<T extends Turn> = ReadonlyMap<T, SeenCell[]>

/**
 * From which of its nodes each turn is as expected, and at what time (`performance.now`) the first of the rounds was sent
 * that saw it.
 */
export type RightSince<T extends Turn> = Map<T, Map<string, number>>

/** One round over all turns, in one batch. */
async function round<T extends Turn>(
  turns: readonly T[],
  asking: Asking,
  context: RoundContext,
): Promise<Seen<T>> {
  const cells = turns.flatMap((turn) => turn.cells)
  const plan = planCells(cells, asking)
  const seen = see(cells, plan, await context.ask(plan), context.world, context.declared)
  let from = 0
  return new Map(turns.map((turn) => [turn, seen.slice(from, (from += turn.cells.length))]))
}

/** The round that is judged; turns are asked again of which nothing was learnt but that an agent could not run. */
export async function judgedRound<T extends Turn>(
  turns: readonly T[],
  context: RoundContext,
): Promise<Seen<T>> {
  const learnt = await untilAwake(
    turns,
    (some) => round(some, verdictRound, context),
    (turn, seen) => (seen.get(turn) ?? []).map(({ observation }) => observation),
    context.signal,
  )
  for (const [turn, { starvedMs }] of learnt)
    if (starvedMs !== undefined) turn.starvedMs = (turn.starvedMs ?? 0) + starvedMs
  return new Map(turns.map((turn) => [turn, learnt.get(turn)?.answer.get(turn) ?? []]))
}

/** Is all of a turn as expected by now? */
function isRight<T extends Turn>(turn: T, rightSince: RightSince<T>): boolean {
  const nodes = rightSince.get(turn)
  return nodes !== undefined && turn.cells.every(({ from }) => nodes.has(from.node))
}

/**
 * Looks at turns as they join, while others are still changing what they change: what they measure begins with their own
 * change. A turn that is right is left alone.
 *
 * @param joined is added to meanwhile
 * @param changing never rejects
 */
export async function lookDuring<T extends Turn>(
  joined: readonly T[],
  changing: Promise<unknown>,
  rightSince: RightSince<T>,
  context: RoundContext,
): Promise<void> {
  const over = new AbortController()
  void changing.then(() => over.abort())
  let wrongLooks = 0
  let lookedAt = 0
  while (!over.signal.aborted) {
    const turns = joined.filter((turn) => !isRight(turn, rightSince))
    // Who has just joined is looked at in quick succession, and the others with it.
    if (joined.length > lookedAt) wrongLooks = 0
    lookedAt = joined.length
    const { asking, pauseMs } = paceAfter(wrongLooks)
    const sentMs = performance.now()
    if (turns.length > 0) {
      note(await round(turns, asking, context), sentMs, rightSince)
      wrongLooks += 1
    }
    await sleep(pauseMs)
  }
}

/** How long wrong flows must stand still to be a finding, in milliseconds. */
function settledMsOf<T extends Turn>(
  looked: Seen<T>,
  rightSince: RightSince<T>,
  { settledMs, declared }: RoundContext,
): number {
  if (settledMs !== undefined) return settledMs
  const wrong = [...looked].filter(([turn]) => !isRight(turn, rightSince))
  if (wrong.some(([{ cells }]) => cells.some(({ record }) => record !== undefined)))
    return budgets.recordSettledMs.ms
  const isKnown = wrong.length > 0 && wrong.every(([, cells]) => isAsDeclared(cells, declared))
  return (isKnown ? budgets.declaredSettledMs : budgets.policySettledMs).ms
}

/** Is what is wrong just what the cluster declares of this check? */
function isAsDeclared(cells: readonly SeenCell[], context: Declared): boolean {
  const id = cells[0]?.cell.check.id ?? ''
  const deviations = context.expect.filter(({ check }) => context.matches(check, id))
  const declared = new Set(deviations.map(({ verdict }) => verdict))
  const off = cells.filter((cell) => !isAsExpected(cell))
  const seen = new Set(off.map(({ observation }) => observation.verdict))
  return seen.size > 0 && seen.size === declared.size && [...seen].every((verdict) => declared.has(verdict))
}

/**
 * Short rounds until every cell is as the state says, then the round that is judged. It goes on when that one sees
 * something else, so a verdict of "enforced" rests on two rounds in a row; it gives up when the cells stand still.
 *
 * @param startedMs when the change was asked for (`performance.now`)
 * @param holdMs how long all must be right before it is believed
 * @param rightSince what has been seen already; what is seen now is written down there
 */
export async function settle<T extends Turn>(
  turns: readonly T[],
  startedMs: number,
  holdMs: number,
  rightSince: RightSince<T>,
  context: RoundContext,
): Promise<Seen<T>> {
  let last = ''
  let changedMs = startedMs
  let wrongLooks = 0
  const areRight = (): boolean => turns.every((turn) => isRight(turn, rightSince))
  for (;;) {
    context.signal?.throwIfAborted()
    const { asking, pauseMs } = paceAfter(wrongLooks)
    const sentMs = performance.now()
    const looked = await round(turns, asking, context)
    note(looked, sentMs, rightSince)
    if (!areRight()) wrongLooks += 1
    if (areRight() && sentMs - startedMs >= holdMs) {
      const judged = await judgedRound(turns, context)
      note(judged, sentMs, rightSince)
      if (areRight()) return judged
    }
    const now = performance.now()
    const state = stateOf(looked)
    if (state !== last || areRight()) changedMs = now
    last = state
    const settledMs = settledMsOf(looked, rightSince, context)
    const mostMs = Math.max(budgets.policyEnforcedMs.ms, settledMs) + holdMs
    if (now - changedMs >= settledMs || now - startedMs >= mostMs) {
      const judged = await judgedRound(turns, context)
      note(judged, now, rightSince)
      return judged
    }
    await sleep(pauseMs)
  }
}

/** Since which round each node of each turn has been right. */
function note<T extends Turn>(seen: Seen<T>, sentMs: number, rightSince: RightSince<T>): void {
  for (const [turn, cells] of seen) {
    const nodes = rightSince.get(turn) ?? new Map<string, number>()
    rightSince.set(turn, nodes)
    for (const node of new Set(cells.map(({ cell }) => cell.from.node))) {
      const ofNode = cells.filter(({ cell }) => cell.from.node === node)
      if (!ofNode.every(isAsExpected)) nodes.delete(node)
      else if (!nodes.has(node)) nodes.set(node, sentMs)
    }
  }
}

/** Which cells are right: one that goes from one wrong end to another, as packets that leave the cluster do, stands still. */
const stateOf = (seen: Seen<Turn>): string =>
  [...seen.values()].flatMap((cells) => cells.map(isAsExpected)).join()
