import { selectedBy, type Step } from '../check-steps.ts'
import type { Outcome } from '../observation.ts'
import type { Cell } from './step-cells.ts'
import { rounded } from '../inspect.ts'

/** Names of what steps measure. Pure. */

type Measurements = NonNullable<Outcome['measurements']>

const enforcedName = 'policy created to enforced'

/** When a step that came out right did so. All by `performance.now`. */
export interface RightTimes {
  /** When its change was asked for. */
  startedMs: number
  /** When the pods that it starts were Ready. */
  readyMs: number
  /** By node: the sending of the first round that saw every cell from there right, as did all after it. */
  nodes: ReadonlyMap<string, number>
}

/**
 * What a step that came out right has measured. Each an upper bound, one round wide.
 *
 * @param known what the check has measured before
 */
export function timesOf(
  step: Step,
  cells: readonly Cell[],
  { startedMs, readyMs, nodes }: RightTimes,
  known: Measurements,
): Measurements {
  const [first] = cells
  const { policies = {}, services = {} } = first?.check ?? {}
  const silent = cells.some(({ allowed }) => !allowed)
  const applied = (of: object): boolean => step.apply.some((name) => name in of)
  const deleted = (of: object): boolean => step.delete.some((name) => name in of)
  const records = cells.some(({ record }) => record !== undefined)
  const names = [
    ...(applied(policies) && silent ? [enforcedName] : []),
    // Where nothing was enforced there is nothing to restore.
    ...(deleted(policies) && known.some(({ name }) => name === enforcedName)
      ? ['policy deleted to restored']
      : []),
    ...(applied(services)
      ? [
          records
            ? 'Service created to its record at every DNS server'
            : 'Service created to answered from every node',
        ]
      : []),
    ...(deleted(services)
      ? [records ? 'Service deleted to no record at any DNS server' : 'Service deleted to nothing answers']
      : []),
    ...(step.start.length > 0 ? ['pod created to answered from both nodes'] : []),
    ...(step.stop.length > 0 && cells.some(({ via }) => via === 'former-ip')
      ? ['pod deleted to nothing answers']
      : []),
  ]
  const ms = rounded(Math.max(...nodes.values()) - startedMs)
  const behind = new Set(Object.values(services).flatMap(selectedBy))
  const isBehind = (pods: readonly string[]): boolean =>
    !applied(services) && pods.some((pod) => behind.has(pod))
  return [
    ...names.map((name) => ({ name, ms })),
    ...[...nodes].flatMap(([node, rightMs]) => [
      ...(isBehind(step.start)
        ? [{ name: `endpoint Ready to answering, from ${node}`, ms: rounded(Math.max(0, rightMs - readyMs)) }]
        : []),
      ...(isBehind(step.terminate)
        ? [{ name: `endpoint deleted to no new connection, from ${node}`, ms: rounded(rightMs - startedMs) }]
        : []),
      ...Object.values(step.types).map((type) => ({
        name: `Service changed to ${type}, from ${node}`,
        ms: rounded(rightMs - startedMs),
      })),
    ]),
  ]
}
