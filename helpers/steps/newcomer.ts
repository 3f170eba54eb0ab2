import type { V1Pod } from '@kubernetes/client-node'
import type { FirstPlan, FirstReport } from '../agent/first-packets.ts'
import { awaitUntil } from '../await.ts'
import { budgets } from '../budgets.ts'
import { SetupError } from '../errors.ts'
import { containers, firstCommand } from '../fixture-pods.ts'
import type { Kube } from '../kube.ts'
import { deletePod } from './own-pods.ts'
import { containerLike, podLike } from './pod-like.ts'
import type { RunPods } from '../run-pods.ts'
import type { World, WorldPod } from '../world.ts'

/**
 * Starts a pod like a fixture pod, on its node, that asks from its first moment; returns what it saw when it has ended.
 * The pod is deleted whatever happens.
 *
 * @throws {SetupError} when it does not start, does not end, or says nothing that can be read
 */
export async function startNewcomer(
  kube: Kube,
  pods: RunPods,
  world: World,
  template: WorldPod,
  newcomer: WorldPod,
  plan: FirstPlan,
): Promise<FirstReport> {
  const namespace = world.namespaces[template.namespace]
  const target = { name: newcomer.name, namespace }
  const model = pods.get(template.name, namespace)
  if (model === undefined) throw new Error(`${template.fullName} is gone`)
  await kube.apply([newcomerObject(model, newcomer, namespace, plan)])
  try {
    await awaitUntil(
      async () => {
        const { status } = pods.get(newcomer.name, namespace) ?? {}
        if (status?.phase === 'Succeeded') return { done: true, value: undefined }
        const state = status?.containerStatuses?.[0]?.state
        if (status?.phase === 'Failed') {
          throw new SetupError({
            what: `pod ${newcomer.fullName} failed`,
            seen: state?.terminated?.message ?? state?.terminated?.reason ?? 'no reason given',
            next: 'look at its events',
          })
        }
        return { done: false, seen: pods.fault ?? state?.waiting?.reason ?? status?.phase ?? 'no status' }
      },
      {
        what: `pod ${newcomer.fullName} to start and to end`,
        budget: budgets.fixturesReadyMs,
        next: 'look at its events; is the CNI running on that node?',
        wake: () => pods.changed(),
      },
    )
    const log = await kube.core.readNamespacedPodLog({ ...target, container: containers.agent })
    return readReport(log, newcomer)
  } finally {
    await deletePod(kube, pods, newcomer, namespace, 0)
  }
}

/** A pod that asks from its first moment. Pure. */
export function newcomerObject(model: V1Pod, newcomer: WorldPod, namespace: string, plan: FirstPlan): V1Pod {
  return podLike(model, newcomer, namespace, (of) => {
    const agent = of.find(({ name }) => name === containers.agent)
    if (agent === undefined) throw new Error('the model has no agent container')
    const { ports: _ports, ...rest } = containerLike(agent)
    const command = [...firstCommand, JSON.stringify(plan)]
    return { restartPolicy: 'Never', containers: [{ ...rest, command }] }
  })
}

function readReport(log: string, newcomer: WorldPod): FirstReport {
  const line = log.trim().split('\n').at(-1) ?? ''
  try {
    return JSON.parse(line) as FirstReport
  } catch (error) {
    throw new SetupError({
      what: `pod ${newcomer.fullName} did not say what it saw`,
      seen: log.slice(-500),
      next: 'report this',
      cause: error,
    })
  }
}
