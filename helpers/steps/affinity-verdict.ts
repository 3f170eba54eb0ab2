import type { Step } from '../check-steps.ts'
import type { Observation } from '../observation.ts'
import type { Cell } from './step-cells.ts'

/** Whether Services let go of clients that have been silent for long enough. Pure. */

/** Which endpoint each client met in a step, by the name of the probe. */
export type Met = ReadonlyMap<string, string>

/** Of the probes that were answered by one. */
export const metIn = (observations: readonly Observation[]): Map<string, string> =>
  new Map(
    observations.flatMap(({ probe, peers: [first, ...more] }) =>
      first === undefined || more.length > 0 ? [] : [[probe, first.pod]],
    ),
  )

/** A Service that has let go is called one that has not once in so many runs, at most. */
const falseAlarm = 1e-6

/**
 * Has at least one client of a sticky Service met another endpoint than before its silence? Each chooses anew among all
 * endpoints, so none does with a probability of 1/endpoints for each client and port: once in 4^12 for four endpoints,
 * four clients and three ports.
 */
export function judgeAffinity(
  step: Step,
  cells: readonly Cell[],
  before: Met,
  observations: readonly Observation[],
): Observation[] {
  const [cell] = cells.filter(({ sticky }) => sticky === true)
  if (step.waits === undefined || cell === undefined) return []
  const now = metIn(observations)
  const known = [...now].filter(([probe]) => before.has(probe))
  const moved = known.filter(([probe, pod]) => before.get(probe) !== pod)
  const chance = cell.mayAnswer.length ** -known.length
  const stuck = `all ${known.length} clients and ports were led to the endpoint that they had met before their silence; by chance that comes once in ${Math.round(1 / chance)} runs`
  const [verdict, detail] =
    moved.length > 0
      ? (['reached'] as const)
      : chance > falseAlarm
        ? ([
            'unknown',
            `only ${known.length} clients and ports are known to have met one endpoint twice`,
          ] as const)
        : (['wrong-answer', stuck] as const)
  return [
    {
      step: step.name,
      probe: `clients of ${cell.end.name} meet another endpoint after a silence`,
      from: { name: 'all clients' },
      to: cell.end,
      via: cell.via,
      protocol: 'none',
      expected: 'reached',
      verdict,
      attempts: known.length,
      asked: known.length,
      answered: known.length,
      peers: [],
      ...(detail === undefined ? {} : { detail }),
    },
  ]
}
