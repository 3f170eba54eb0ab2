import type { V1Container, V1Pod, V1PodSpec } from '@kubernetes/client-node'
import type { WorldPod } from '../world.ts'

/** Pods that are made while checks run, from the fixture pods that are there. Pure. */

/**
 * A pod like a fixture pod: on the same node, with the same security context and volumes.
 *
 * @param model as the API server returns it
 * @param pod its name, namespace and labels
 * @param own what is made from the containers of the model
 */
export function podLike(
  model: V1Pod,
  pod: WorldPod,
  namespace: string,
  own: (
    of: readonly V1Container[],
  ) => Pick<V1PodSpec, 'containers' | 'restartPolicy' | 'terminationGracePeriodSeconds'>,
): V1Pod {
  if (model.spec === undefined) throw new Error('the model has no spec')
  const { nodeName, securityContext, volumes } = model.spec
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: pod.name, namespace, labels: { ...pod.labels } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 1,
      ...defined({ nodeName, securityContext, volumes }),
      ...own(model.spec.containers),
    },
  }
}

/** What a container like this one is made from. */
export function containerLike({
  name,
  image,
  imagePullPolicy,
  command,
  env,
  ports,
  securityContext,
  volumeMounts,
}: V1Container): V1Container {
  const given = { image, imagePullPolicy, command, env, ports, securityContext, volumeMounts }
  return { name, ...defined(given) }
}

/** Without the keys that have no value. */
function defined<T extends object>(object: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>
  }
}
