import type { CoreV1Event, V1Pod } from '@kubernetes/client-node'
import { SetupError } from './errors.ts'
import type { Kube } from './kube.ts'

/** Pods whose images a node cannot get: time does not mend that, so nobody waits for it. */

/** What a container waits with while its image is not there. */
const pullReasons: ReadonlySet<string | undefined> = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'ErrImageNeverPull',
  'ImageInspectError',
  'RegistryUnavailable',
])

/** A pull that failed once may have met a busy registry; the kubelet tries again after 10 s. */
const triesUntilGivenUp = 2

const waitsForImage = (pod: V1Pod): boolean =>
  pod.status?.containerStatuses?.some(({ state }) => pullReasons.has(state?.waiting?.reason)) ?? false

/** How the kubelet says that it did not get an image: `Failed to pull image "node:24": …`. */
const saysPull =
  /^(Failed to pull image|Failed to apply default image tag|Container image) "?(?<image>[^"\s]*)/

/**
 * Why pods will not get their images, in words that name image, node and what the kubelet said; undefined while there is
 * hope. Pure.
 */
export function hopelessPull(pods: readonly V1Pod[], events: readonly CoreV1Event[]): string | undefined {
  const failures = pods.filter(waitsForImage).flatMap((pod) => {
    const own = events.filter(
      ({ involvedObject, reason, message = '' }) =>
        involvedObject.uid === pod.metadata?.uid &&
        (reason === 'Failed' || reason === 'InspectFailed' || reason === 'ErrImageNeverPull') &&
        saysPull.test(message),
    )
    const byImage = Map.groupBy(own, ({ message = '' }) => saysPull.exec(message)?.groups?.['image'] ?? '')
    return [...byImage].flatMap(([image, said]) => {
      const tries = said.reduce((sum, { count }) => sum + (count ?? 1), 0)
      return tries < triesUntilGivenUp
        ? []
        : [`${image} on ${pod.spec?.nodeName}, ${tries} times: ${said.at(-1)?.message ?? ''}`]
    })
  })
  return failures.length === 0 ? undefined : [...new Set(failures)].join('\n')
}

/**
 * Looks whether pods wait for images that their nodes cannot get.
 *
 * @throws {SetupError} naming each image, its node and what the kubelet said
 */
export async function refuseHopelessPulls(kube: Kube, pods: readonly V1Pod[]): Promise<void> {
  const waiting = pods.filter(waitsForImage)
  if (waiting.length === 0) return
  const namespaces = [...new Set(waiting.map(({ metadata }) => metadata?.namespace ?? ''))]
  const lists = await Promise.all(namespaces.map((namespace) => kube.core.listNamespacedEvent({ namespace })))
  const seen = hopelessPull(
    waiting,
    lists.flatMap(({ items }) => items),
  )
  if (seen === undefined) return
  throw new SetupError({
    what: 'the nodes cannot get the images of the fixture pods',
    seen,
    next: 'make these images reachable from the nodes, or name copies of them that are: --fixture-image node=REF, --fixture-image agnhost=REF (with --kubeconfig)',
  })
}
