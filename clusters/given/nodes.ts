import type { V1Node } from '@kubernetes/client-node'
import type { Check } from '../../helpers/check.ts'
import { coverNodes, type ChosenNodes, type CoverageOptions } from '../../helpers/coverage/coverage.ts'
import { SetupError } from '../../helpers/errors.ts'
import { zoneLabel } from '../../helpers/world.ts'

/** Which nodes of a cluster that is not ours get fixture pods. */

/** Labels that a node must have. */
export type NodeSelector = Readonly<Record<string, string>>

function zoneOf({ metadata }: V1Node): { zone?: string } {
  const zone = metadata?.labels?.[zoneLabel]
  return zone === undefined ? {} : { zone }
}

/** Effects that keep a pod away that does not tolerate them. */
const keepsAway: ReadonlySet<string | undefined> = new Set(['NoSchedule', 'NoExecute'])

/** Why the fixtures cannot run on a node; empty when they can. Pure. */
function unfitness({ metadata, spec, status }: V1Node, selector: NodeSelector): string[] {
  const labels = metadata?.labels ?? {}
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  const taints = (spec?.taints ?? []).filter(({ effect }) => keepsAway.has(effect))
  const os = labels['kubernetes.io/os'] ?? status?.nodeInfo?.operatingSystem ?? 'linux'
  return [
    ...(ready?.status === 'True'
      ? []
      : [`not Ready${ready?.reason === undefined ? '' : ` (${ready.reason})`}`]),
    ...(spec?.unschedulable === true ? ['unschedulable'] : []),
    ...taints.map(
      ({ key, value, effect }) => `taint ${key}${value === undefined ? '' : `=${value}`}:${effect}`,
    ),
    ...(os === 'linux' ? [] : [`runs ${os}`]),
    ...Object.entries(selector).flatMap(([key, value]) =>
      labels[key] === value
        ? []
        : [labels[key] === undefined ? `no label ${key}` : `label ${key}=${labels[key]}`],
    ),
  ]
}

/**
 * The nodes, by name, on which pods without tolerations run, as many as the checks need and the user wants.
 *
 * @throws {SetupError} where there are fewer than two, with what was seen of every node
 */
export function chooseWorkers(
  nodes: readonly V1Node[],
  { nodeSelector: selector, coverage }: { nodeSelector: NodeSelector; coverage: CoverageOptions },
  checks: readonly Check[],
): ChosenNodes {
  const seen = nodes
    .map((node) => ({
      name: node.metadata?.name ?? '',
      unfit: unfitness(node, selector),
      ...zoneOf(node),
    }))
    .toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
  const [first, second, ...others] = seen.filter(({ unfit }) => unfit.length === 0)
  if (first !== undefined && second !== undefined) {
    const chosen = coverNodes([first, second, ...others], checks, coverage)
    const unfit = seen.filter(({ unfit: reasons }) => reasons.length > 0)
    const why = unfit.map(({ name, unfit: reasons }) => ({ name, why: reasons.join(', ') }))
    return { ...chosen, leftOut: [...why, ...chosen.leftOut] }
  }
  throw new SetupError({
    what: `the cluster has ${first === undefined ? 'no node' : 'one node'} for the fixture pods, and the paths between nodes need two: Ready, schedulable, without a taint NoSchedule or NoExecute`,
    seen: seen
      .map(({ name, unfit }) => `${name}: ${unfit.length === 0 ? 'fits' : unfit.join(', ')}`)
      .join('\n'),
    next:
      Object.keys(selector).length === 0
        ? 'make two nodes fit, such as by `kubectl uncordon`, or add one'
        : 'choose other labels with --node-selector, or leave it away',
  })
}
