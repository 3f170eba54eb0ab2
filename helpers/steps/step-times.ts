import type { Step } from '../check-steps.ts'
import type { Outcome } from '../observation.ts'
import type { Cell } from './step-cells.ts'

/** Names of what steps measure. Pure. */

type Measurements = NonNullable<Outcome['measurements']>

const enforcedName = 'policy created to enforced'

/**
 * What a step that came out right has measured: from its change until the sending of the first round that saw every cell
 * right, and so did all after it. An upper bound, one round wide.
 *
 * @param ms milliseconds of that
 * @param known what the check has measured before
 */
export function timesOf(step: Step, cells: readonly Cell[], ms: number, known: Measurements): Measurements {
  const [first] = cells
  const { policies = {}, services = {} } = first?.check ?? {}
  const silent = cells.some(({ allowed }) => !allowed)
  const applied = (of: object): boolean => step.apply.some((name) => name in of)
  const deleted = (of: object): boolean => step.delete.some((name) => name in of)
  const names = [
    ...(applied(policies) && silent ? [enforcedName] : []),
    // Where nothing was enforced there is nothing to restore.
    ...(deleted(policies) && known.some(({ name }) => name === enforcedName)
      ? ['policy deleted to restored']
      : []),
    ...(applied(services) ? ['Service created to answered from every node'] : []),
    ...(deleted(services) ? ['Service deleted to nothing answers'] : []),
    ...(step.start.length > 0 ? ['pod created to answered from both nodes'] : []),
    ...(step.stop.length > 0 && cells.some(({ via }) => via === 'former-ip')
      ? ['pod deleted to nothing answers']
      : []),
  ]
  return names.map((name) => ({ name, ms }))
}
