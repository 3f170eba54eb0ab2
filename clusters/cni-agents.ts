import type { V1Pod } from '@kubernetes/client-node'
import { awaitUntil } from '../helpers/await.ts'
import { budgets } from '../helpers/budgets.ts'
import type { RunOnNode } from '../helpers/nodes.ts'
import type { Cni, CniContext } from './cni/cni.ts'
import { curl } from './looks/common.ts'

/** What the CNIs of clusters/cni have in common: an agent on every node. */

/**
 * Waits until the agent runs on every node and `works` has nothing against it.
 *
 * @param title names the CNI in messages
 * @param works throws, saying why, while the agent of that node does not work yet
 * @throws {BudgetExceeded} naming the nodes where it does not, and why
 */
export async function awaitAgents(
  title: string,
  { namespace, labelSelector, container }: Cni['pods'],
  { kube, nodeCount, onSeen, signal }: CniContext,
  works: (node: string) => Promise<unknown>,
): Promise<void> {
  await awaitUntil(
    async () => {
      const { items } = await kube.core.listNamespacedPod({ namespace, labelSelector })
      const missing = items.flatMap((pod) => whyNotRunning(pod, container) ?? [])
      if (items.length < nodeCount || missing.length > 0) {
        return { done: false, seen: missing.join(', ') || `${items.length} of ${nodeCount} pods` }
      }
      await Promise.all(items.map(({ spec }) => works(spec?.nodeName ?? '')))
      return { done: true, value: undefined }
    },
    {
      what: `${title} to run on every node`,
      budget: budgets.cniReadyMs,
      next: 'look at logs/cni.log and events.txt in the evidence folder',
      everyMs: 500,
      ...(onSeen === undefined ? {} : { onSeen }),
      ...(signal === undefined ? {} : { signal }),
    },
  )
}

/** Why the agent of this pod does not run; undefined when it does. */
function whyNotRunning({ spec, status }: V1Pod, container: string): string | undefined {
  const own = status?.containerStatuses?.find(({ name }) => name === container)
  if (own?.state?.running !== undefined) return undefined
  const held = status?.initContainerStatuses?.find(({ state }) => state?.terminated?.exitCode !== 0)
  const { name, state } = held ?? own ?? {}
  const reason =
    state?.waiting?.reason ?? state?.terminated?.reason ?? (state?.running ? 'running' : undefined)
  const step = held === undefined ? '' : `${name}: `
  return `${spec?.nodeName ?? '-'} ${step}${reason ?? status?.phase ?? 'unknown'}`
}

/**
 * Asks an HTTP health endpoint on a node's own loopback.
 *
 * @throws {CommandError} with what curl says, unless the answer is 200
 */
export async function askHealth(
  runOnNode: RunOnNode,
  node: string,
  url: string,
  header?: string,
): Promise<void> {
  const headers = header === undefined ? [] : ['--header', header]
  await runOnNode(node, curl(url, ...headers))
}
