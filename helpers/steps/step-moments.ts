import type { Step } from '../check-steps.ts'
import type { TracedPod } from '../looks/network-look.ts'
import type { Made } from './step-changes.ts'
import type { WorldPod } from '../world.ts'

/**
 * Moments in a phase of checks with steps: before and after what its steps change. `ending`: before all that was made is
 * deleted; `ended`: after it.
 */
export type Moment =
  | 'applying'
  | 'applied'
  | 'deleting'
  | 'changing'
  | 'starting'
  | 'started'
  | 'terminating'
  | 'stopping'
  | 'stopped'
  | 'ending'
  | 'ended'

/** A pod of a check's own: as it runs, as it was before it was stopped last, and what was seen of it on its node. */
export interface Life {
  running?: WorldPod
  former?: WorldPod
  traced?: TracedPod
}

/** Told of a moment, with the pods that it is about. */
export type OnMoment = (moment: Moment, lives: readonly Life[]) => Promise<void>

type Changing = 'apply' | 'delete' | 'types' | 'start' | 'terminate' | 'stop'

/** What must be mended before pods come and go comes before what must break before that. */
const before: readonly [Moment, Changing][] = [
  ['stopping', 'stop'],
  ['starting', 'start'],
  ['terminating', 'terminate'],
  ['deleting', 'delete'],
  ['applying', 'apply'],
  ['changing', 'types'],
]

const after: readonly [Moment, Changing][] = [
  ['applied', 'apply'],
  ['stopped', 'stop'],
  ['started', 'start'],
]

/** A check in a step. */
interface Turning {
  running: { made: Made }
  step: Step
}

/** Tells of what the steps are about to change, or have changed. */
export async function tellMoments(
  when: 'before' | 'after',
  turning: readonly Turning[],
  onMoment: OnMoment | undefined,
): Promise<void> {
  if (onMoment === undefined) return
  for (const [moment, key] of when === 'before' ? before : after) {
    const touched = turning.filter(({ step }) => namedIn(step, key).length > 0)
    if (touched.length === 0) continue
    const lives = touched.flatMap(({ running: { made }, step }) =>
      namedIn(step, key).map((role) => lifeOf(made, role)),
    )
    await onMoment(moment, oncePerPod(lives))
  }
}

/** Of a pod that several checks have together it is told once, and of none that never was. */
function oncePerPod(lives: readonly Life[]): Life[] {
  const byPod = new Map<string, Life>()
  for (const life of lives) {
    const uid = life.running?.uid ?? life.former?.uid
    if (uid !== undefined) byPod.set(uid, { ...byPod.get(uid), ...life })
  }
  return [...byPod.values()]
}

const namedIn = (step: Step, key: Changing): readonly string[] =>
  key === 'types' ? Object.keys(step.types) : step[key]

function lifeOf(made: Made, role: string): Life {
  const running = made.running.get(role)
  const former = made.former.get(role)
  const traced = made.traced.get(role)
  return {
    ...(running === undefined ? {} : { running }),
    ...(former === undefined ? {} : { former }),
    ...(traced === undefined ? {} : { traced }),
  }
}
