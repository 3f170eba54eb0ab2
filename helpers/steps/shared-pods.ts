import type { PodStart } from './own-pods.ts'
import type { WorldPod } from '../world.ts'

/** How pods of checks' own are started, met and stopped. */
interface PodCare {
  startPod(pod: WorldPod): Promise<PodStart>
  meetPods(pods: readonly WorldPod[]): Promise<void>
  stopPod(pod: WorldPod): Promise<void>
}

/**
 * The same for pods that several checks of a phase have together, under one name: who comes first starts, meets or stops
 * them, and the others get what came of it.
 */
export function sharedPods(care: PodCare): PodCare {
  /** By full name: of those that are there or on their way. */
  const starts = new Map<string, Promise<PodStart>>()
  /** By uid. */
  const meetings = new Map<string, Promise<void>>()
  const stops = new Map<string, Promise<void>>()

  function once(made: Map<string, Promise<void>>, uid: string, make: () => Promise<void>): Promise<void> {
    const before = made.get(uid)
    if (before !== undefined) return before
    const making = make()
    made.set(uid, making)
    // What failed may be tried again.
    making.catch(() => made.delete(uid))
    return making
  }

  return {
    startPod(pod) {
      const before = starts.get(pod.fullName)
      if (before !== undefined) return before
      const start = care.startPod(pod)
      starts.set(pod.fullName, start)
      return start
    },
    async meetPods(pods) {
      await Promise.all(pods.map((pod) => once(meetings, pod.uid, () => care.meetPods([pod]))))
    },
    async stopPod(pod) {
      // One that never ran has no uid that would tell it from the next one of its name.
      if (pod.uid === '') {
        starts.delete(pod.fullName)
        return care.stopPod(pod)
      }
      return once(stops, pod.uid, () => care.stopPod(pod).then(() => void starts.delete(pod.fullName)))
    },
  }
}
