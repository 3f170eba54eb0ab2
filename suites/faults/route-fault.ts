import { Address4 } from 'ip-address'
import type { Fault, FaultContext } from './fault.ts'
import { runInPodNetwork, type Victim } from './sandbox.ts'

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
      'dns/{search-path,policy/*}',
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

/** Bytes. Above what IPv4 guarantees, and far below what any overlay takes. */
const narrowMtu = '1300'

/** The pods of the first worker that send long packets to the second. */
const senders: readonly Victim[] = [
  { node: 'worker1', name: 'worker1-a' },
  { node: 'worker1', name: 'worker1-b' },
]

/**
 * What a router has told the kernel of a pod goes with the routes that it was told about; else it lasts ten minutes. Routes
 * by the same gateway share it: it is gone when the last of them is.
 */
async function forgetPaths(context: FaultContext): Promise<void> {
  for (const pod of senders) {
    const make = async (action: 'add' | 'del', route: string): Promise<void> => {
      await runInPodNetwork(context, pod, ['ip', 'route', action, ...route.trim().split(/\s+/)])
    }
    const routes = (await runInPodNetwork(context, pod, ['ip', 'route', 'show'])).split('\n')
    const byGateway = routes.filter((route) => route.includes(' via '))
    for (const route of byGateway) await make('del', route)
    for (const route of byGateway) await make('add', route)
  }
}

/** A tunnel or a link on the way takes shorter packets than its ends believe, and says so. */
export function routesNarrowed(about: Pick<Fault, 'needs'>): Fault {
  let whole: string[] = []
  return {
    ...about,
    id: 'path-narrowed',
    breaks: `The first worker takes packets to pods of the second up to ${narrowMtu} bytes, and tells the sender of longer ones.`,
    red: () => ['pod-to-pod/cross-node/{path,over}-mtu'],
    // Those that are on their way before the word is there are lost; later ones are cut.
    either: ['pod-to-pod/cross-node/long-datagram'],
    outcome: 'failed',
    when: 'before-run',
    async inject(context) {
      whole = await routesBetween(context)
      await change(
        context,
        'replace',
        whole.map((route) => `${route.trim()} mtu ${narrowMtu}`),
      )
    },
    async vacuous(context) {
      if (whole.length === 0) return 'there was no such route'
      const routes = await routesBetween(context)
      const wide = routes.filter((route) => !route.includes(`mtu ${narrowMtu}`))
      return wide.length === 0 ? undefined : `routes became wide by themselves: ${wide.join(', ')}`
    },
    async heal(context) {
      await change(context, 'replace', whole)
      await forgetPaths(context)
    },
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

/** Bytes. More than the interface of any pod takes. */
const wideMtu = '2000'
/** So that nobody sends the pod longer segments of TCP than before: what is wrong is what it sends itself. */
const usualSegments = '1360'

const sender: Victim = { node: 'worker1', name: 'worker1-a' }

const wordsOf = (route: string): string[] => route.trim().split(/\s+/)

/** A route without the MTU that it has, as Cilium's have. */
const withoutMtu = (route: string): string => route.replace(/ mtu \d+/, '')

/** The kernel of a pod takes its paths to be wider than its interface is, so it lets out what the interface does not take. */
export function oversizeLetOut(): Fault {
  let whole: string[] = []
  const routesOf = async (context: FaultContext): Promise<string[]> =>
    (await runInPodNetwork(context, sender, ['ip', 'route', 'show'])).split('\n').filter(Boolean)
  const replace = async (context: FaultContext, routes: readonly string[]): Promise<void> => {
    for (const route of routes)
      await runInPodNetwork(context, sender, ['ip', 'route', 'replace', ...wordsOf(route)])
  }
  return {
    id: 'oversize-let-out',
    breaks: `The routes of a pod take packets up to ${wideMtu} bytes, which its interface does not.`,
    red: () => ['pod-to-pod/*/{path,over}-mtu'],
    // A router may tell the kernel in time that these are too long: then it cuts them, and they arrive.
    either: ['pod-to-pod/*/twice-mtu'],
    outcome: 'failed',
    when: 'before-run',
    async inject(context) {
      whole = await routesOf(context)
      await replace(
        context,
        whole.map((route) => `${withoutMtu(route)} mtu ${wideMtu} advmss ${usualSegments}`),
      )
    },
    async vacuous(context, outcomes) {
      const narrow = (await routesOf(context)).filter((route) => !route.includes(`mtu ${wideMtu}`))
      if (narrow.length > 0) return `routes became narrow by themselves: ${narrow.join(', ')}`
      const seen = outcomes.flatMap(({ observations }) => observations)
      // Its control is red by itself.
      return seen.some(({ expected, verdict }) => expected === 'refused' && verdict === 'wrong-answer')
        ? undefined
        : 'no packet was let out that was too long'
    },
    heal: (context) => replace(context, whole),
  }
}
