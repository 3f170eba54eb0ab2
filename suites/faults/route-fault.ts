import { Address4 } from 'ip-address'
import type { Fault, FaultContext } from './fault.ts'

type Ways = Pick<FaultContext, 'runOnNode' | 'workers' | 'world'>

/** The routes of the first worker to pods of the second, as `ip route` takes them. */
async function routesBetween({ runOnNode, workers, world }: Ways): Promise<string[]> {
  const [here, there] = workers
  const pods = world.pods.filter(({ pinnedTo }) => pinnedTo === there)
  const routes = (await runOnNode(here, ['ip', 'route', 'show'])).split('\n')
  return routes.filter((route) => {
    const [to = ''] = route.split(' ')
    return Address4.isValid(to) && pods.some(({ ip }) => new Address4(ip).isInSubnet(new Address4(to)))
  })
}

async function change(
  { runOnNode, workers: [here] }: Ways,
  action: 'del' | 'replace',
  routes: readonly string[],
): Promise<void> {
  for (const route of routes) await runOnNode(here, ['ip', 'route', action, ...route.trim().split(/\s+/)])
}

/** The route from one worker to the pods of the other is gone, as when an agent has missed a node. */
export function routeRemoved(about: Pick<Fault, 'needs' | 'red'>): Fault {
  let removed: string[] = []
  return {
    ...about,
    id: 'route-removed',
    // Calico's reverse path filter drops what comes from addresses to which there is no way back; Flannel has none.
    either: [
      'pod-to-pod/cross-node/delivery-back',
      'service/{session-affinity,headless}',
      'egress/api-server/name',
    ],
    breaks: 'The first worker has no route to the pods of the second.',
    outcome: 'failed',
    when: 'before-run',
    async inject(context) {
      removed = await routesBetween(context)
      await change(context, 'del', removed)
    },
    async vacuous(context) {
      if (removed.length === 0) return 'there was no such route'
      const back = await routesBetween(context)
      return back.length === 0 ? undefined : `the route came back by itself: ${back.join(', ')}`
    },
    heal: (context) => change(context, 'replace', removed),
  }
}

/** Both workers send to the pods of the other as they are, from node to node; the tunnel is there and is not taken. */
export function tunnelPassedBy(about: Pick<Fault, 'needs'>): Fault {
  let whole: { ways: Ways; routes: string[] }[] = []
  return {
    ...about,
    id: 'tunnel-passed-by',
    breaks: 'The workers send packets of pods to each other without the tunnel that the cluster declares.',
    red: () => ['cni/declared/encapsulation', 'cni/other-nodes/known'],
    outcome: 'failed',
    when: 'before-run',
    async inject(context) {
      const [first, second] = context.workers
      const both: Ways[] = [context, { ...context, workers: [second, first] }]
      whole = await Promise.all(both.map(async (ways) => ({ ways, routes: await routesBetween(ways) })))
      for (const { ways, routes } of whole) {
        const there = ways.world.nodes.find(({ name }) => name === ways.workers[1])?.address ?? ''
        await change(
          ways,
          'replace',
          routes.map((route) => `${route.split(' ')[0]} via ${there}`),
        )
      }
    },
    async vacuous() {
      const routes = await Promise.all(whole.map(({ ways }) => routesBetween(ways)))
      const back = routes.filter((each, index) => each.join() === whole[index]?.routes.join())
      return back.length === 0 ? undefined : `routes came back by themselves: ${back.join(', ')}`
    },
    async heal() {
      for (const { ways, routes } of whole) await change(ways, 'replace', routes)
    },
  }
}
