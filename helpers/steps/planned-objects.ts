import type { KubernetesObject, V1Pod } from '@kubernetes/client-node'
import { newcomerRole } from '../check-steps.ts'
import type { Check } from '../check.ts'
import { fixtureObjects, type FixtureOptions } from '../fixture-objects.ts'
import { worldBefore } from '../world.ts'
import { firstPlan } from './first-verdict.ts'
import { newcomerObject } from './newcomer.ts'
import { ownPodObject } from './own-pods.ts'
import { bindSteps } from './step-plan.ts'

/**
 * What a check with steps makes and deletes again, before there is anything. Addresses of pods are not known by then: the
 * exceptions of an IP block and the questions of a pod that asks from its first moment are empty. Pure.
 */
export function plannedObjects(
  check: Check,
  fixtures: FixtureOptions,
  podSubnet: string | undefined,
): KubernetesObject[] {
  const world = worldBefore({ ...fixtures, podSubnet, seed: '' })
  const { pods, policies, services } = bindSteps(check, world)
  const models = fixtureObjects(fixtures).filter(({ kind }) => kind === 'Pod') as V1Pod[]
  const own = [...pods].flatMap(([role, pod]) => {
    const isNewcomer = role === newcomerRole
    if (!isNewcomer && check.pods[role]?.own !== true) return []
    const model = models.find(({ spec }) => spec?.nodeName === pod.pinnedTo)
    if (model === undefined) throw new Error(`no fixture pod on ${pod.pinnedTo}`)
    const namespace = world.namespaces[pod.namespace]
    return isNewcomer
      ? newcomerObject(model, pod, namespace, firstPlan([]))
      : ownPodObject(model, pod, namespace)
  })
  return [...policies.values(), ...[...services.values()].map(({ object }) => object), ...own]
}
