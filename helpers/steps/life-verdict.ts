import type { Step } from '../check-steps.ts'
import type { Observation } from '../observation.ts'
import { inSubnet } from '../inspect.ts'
import type { PodStart } from './own-pods.ts'
import type { Cell } from './step-cells.ts'
import type { World, WorldPod } from '../world.ts'

/** What the life of a check's own pods shows. Pure. */

/** A pod that has an address now, and which. */
export interface LivingPod {
  /** `namespace/name`. */
  name: string
  ip: string
}

/** Did the pod get a network, with an address that is right and its own? */
export function judgeStart(
  step: Step,
  pod: WorldPod,
  start: PodStart,
  living: readonly LivingPod[],
  world: World,
): Observation {
  const [verdict, detail] = startVerdict(start, living, world)
  const ip = start.state === 'ready' ? { address: start.pod.ip } : {}
  const end = { name: pod.fullName, node: pod.pinnedTo, ...ip }
  return {
    step: step.name,
    probe: `${pod.name} gets a network`,
    from: end,
    to: end,
    via: 'inside',
    protocol: 'none',
    expected: 'reached',
    verdict,
    attempts: 1,
    asked: 1,
    answered: start.state === 'ready' ? 1 : 0,
    peers: [],
    ...(detail === undefined ? {} : { detail }),
  }
}

function startVerdict(
  start: PodStart,
  living: readonly LivingPod[],
  world: World,
): [Observation['verdict'], string?] {
  if (start.state === 'unknown') return ['unknown', start.why]
  if (start.state === 'no-network') return ['unreachable', `the pod has no network: ${start.event}`]
  const { ip, fullName } = start.pod
  const { podSubnet } = world
  if (podSubnet !== undefined && !inSubnet(ip, podSubnet))
    return ['wrong-answer', `${ip} is outside ${podSubnet}`]
  const twins = living.filter((each) => each.ip === ip && each.name !== fullName)
  if (twins.length === 0) return ['reached']
  return ['wrong-answer', `${ip} is also the address of ${twins.map(({ name }) => name).join(', ')}`]
}

/** An address that somebody else has by now, rightly, says nothing about the pod that had it before. */
export function givenAway(
  { via, to, allowed }: Cell,
  observation: Observation,
  living: readonly LivingPod[],
): Observation {
  const isFormer = !allowed && (via === 'former-ip' || via === 'former-record')
  if (!isFormer || observation.verdict === observation.expected) return observation
  const owner = living.find(({ ip }) => ip === to.ip)
  if (owner === undefined) return observation
  return {
    ...observation,
    verdict: 'unknown',
    detail: `${to.ip} is now the address of ${owner.name}: what answers there is no trace of the pod that had it before`,
  }
}
