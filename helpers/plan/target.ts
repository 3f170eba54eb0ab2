import { isIPv6 } from 'node:net'
import { budgets } from '../budgets.ts'
import type { TargetProbe } from '../check-probes.ts'
import type { Target } from '../check-targets.ts'
import type { Check } from '../check.ts'
import type { Ids, PlannedProbe } from './planned.ts'
import type { World, WorldPod } from '../world.ts'

/** A Service or host of the user's, asked whether anything answers there. */
export function planTarget(
  check: Check,
  probe: TargetProbe,
  from: WorldPod,
  world: World,
  ids: Ids,
): PlannedProbe {
  const target = check.targets?.[probe.target]
  if (target === undefined) throw new Error(`${check.id}: the check declares no target "${probe.target}"`)
  const host = hostOf(target, world)
  return {
    check,
    probe,
    target,
    from,
    to: {
      name: 'service' in target ? `${target.namespace}/${target.service}` : host,
      address: `${isIPv6(host) ? `[${host}]` : host}:${target.port}`,
    },
    rests: [from],
    mayAnswer: [],
    questions: [
      {
        agent: from.name,
        wire: {
          id: ids.next++,
          kind: 'connect',
          protocol: target.protocol,
          host,
          port: target.port,
          timeoutMs: budgets.probeMs.ms,
          ...('service' in target ? { toService: true } : {}),
        },
      },
    ],
  }
}

const hostOf = (target: Target, { clusterDomain }: World): string =>
  'service' in target ? `${target.service}.${target.namespace}.svc.${clusterDomain}` : target.host
