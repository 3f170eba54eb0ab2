import type { V1Service } from '@kubernetes/client-node'
import { heldPorts, keptPorts } from '../../helpers/agent/source-ports.ts'
import type { Fault, FaultContext } from './fault.ts'
import {
  existingBroken,
  outputRule,
  plantRule,
  recreated,
  serviceProxies,
  undoAll,
  type Undo,
} from './life-faults.ts'
import { signalPrograms } from './programs.ts'
import { runInPodNetwork } from './sandbox.ts'

const service = 'life-cycle/service'

/** What serves Services is paused on both workers, so that it does not see what comes then. */
const proxyPaused = (about: Pick<Fault, 'id' | 'breaks' | 'when'>, check: string): Fault => ({
  ...about,
  red: () => [check],
  stepped: [check],
  outcome: 'failed',
  inject: (context) => signalPrograms(context, context.workers, '-STOP', serviceProxies),
  vacuous: async (_context, outcomes) => existingBroken(outcomes.flatMap(({ observations }) => observations)),
  heal: (context) => signalPrograms(context, context.workers, '-CONT', serviceProxies),
})

const endpointRemovalUnnoticed = proxyPaused(
  {
    id: 'endpoint-removal-unnoticed',
    breaks: 'What serves Services is stopped on both workers, then one of two endpoints is deleted.',
    when: 'before-terminate',
  },
  `${service}/endpoints`,
)

const terminatingStillLed = proxyPaused(
  {
    id: 'terminating-still-led',
    breaks: 'What serves Services leads to an endpoint that is being deleted, although another one is ready.',
    when: 'before-terminate',
  },
  `${service}/terminating`,
)

const typeChangeUnnoticed = proxyPaused(
  {
    id: 'type-change-unnoticed',
    breaks: 'What serves Services is stopped on both workers, then a Service gets node ports.',
    when: 'before-change',
  },
  `${service}/type-change`,
)

/** An entry of a connection table that outlives its endpoint: new conversations work, the old one never again. */
function conversationStale(
  about: Pick<Fault, 'id' | 'breaks'>,
  [first, count]: readonly [number, number],
  checks: readonly string[],
): Fault {
  const undo: Undo[] = []
  return {
    ...about,
    red: () => checks,
    stepped: checks,
    outcome: 'failed',
    when: 'after-start',
    async inject(context, lives) {
      if (recreated(lives).length === 0) return
      await plantRule(context, outputRule(`-p udp --sport ${first}:${first + count - 1} -j DROP`), undo)
    },
    vacuous: async (_context, outcomes) =>
      existingBroken(outcomes.flatMap(({ observations }) => observations)),
    heal: () => undoAll(undo),
  }
}

const udpConversationStale = conversationStale(
  {
    id: 'udp-conversation-stale',
    breaks:
      'What clients send from the UDP port that they keep leads nowhere after the endpoint is made anew.',
  },
  keptPorts,
  [`${service}/{udp-after-zero,scaled-to-zero}`],
)

/** As behind a load balancer that translates when a socket connects, and does not close it when its endpoint goes. */
const heldSocketStale = conversationStale(
  {
    id: 'held-socket-stale',
    breaks:
      'What clients send over the UDP socket that they hold leads nowhere after the endpoints are made anew.',
  },
  heldPorts,
  [`${service}/scaled-to-zero`],
)

/** As if what serves Services counted ready endpoints alone. */
function terminatingNotLed(): Fault {
  const undo: Undo[] = []
  return {
    id: 'terminating-not-led',
    breaks: 'A Service is refused as soon as all its endpoints are being deleted, although they still serve.',
    red: () => [`${service}/terminating`],
    stepped: [`${service}/terminating`],
    outcome: 'failed',
    when: 'after-stop',
    async inject(context) {
      const target = { name: 'service-terminating-front', namespace: context.world.namespaces.main }
      const { spec } = await context.kube.core.readNamespacedService(target)
      await plantRule(context, outputRule(`-d ${spec?.clusterIP} -j REJECT`), undo)
    },
    vacuous: async (_context, outcomes) =>
      existingBroken(outcomes.flatMap(({ observations }) => observations)),
    heal: () => undoAll(undo),
  }
}

/** As if what serves Services never let go of a client: the check goes on to want what it declared. */
const affinityForEver: Fault = {
  id: 'affinity-for-ever',
  breaks: 'A Service keeps its clients for three hours, although it should for two seconds.',
  red: () => [`${service}/affinity-time-out`],
  stepped: [`${service}/affinity-time-out`],
  outcome: 'failed',
  when: 'after-apply',
  async inject({ kube, world }) {
    const refusal = await kube.tryApply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'service-affinity-time-out-front', namespace: world.namespaces.main },
      spec: { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10_800 } } },
    } as V1Service)
    if (refusal !== undefined) throw new Error(refusal)
  },
  vacuous: async (_context, outcomes) =>
    outcomes.some(({ reason = '' }) => reason.includes('before their silence'))
      ? undefined
      : 'a client met another endpoint, or it was not asked',
  // It goes with its Service.
  heal: async () => undefined,
}

/** Ports of the API server: as its Service has it, and as its node. */
const apiPorts = ['443', '6443'] as const

/** What the API server sends to the DNS servers, whose watches then say nothing new. */
async function cutWatches(context: FaultContext, action: '-A' | '-D'): Promise<void> {
  const { servers } = context.world.dns
  await Promise.all(
    servers.flatMap(({ name, node }) =>
      apiPorts.map((port) =>
        runInPodNetwork(
          context,
          { node: { name: node }, name },
          `iptables -w 5 ${action} INPUT -p tcp --sport ${port} -j DROP`.split(' '),
        ),
      ),
    ),
  )
}

function dnsWatchCut(): Fault {
  let isCut = false
  return {
    id: 'dns-watch-cut',
    breaks: 'No DNS server hears from the API server, then a Service is created.',
    red: () => [`${service}/record`],
    stepped: [`${service}/record`],
    outcome: 'failed',
    when: 'before-apply',
    async inject(context) {
      if (isCut) return
      await cutWatches(context, '-A')
      isCut = true
    },
    vacuous: async (_context, outcomes) => {
      const off = outcomes.flatMap(({ observations }) =>
        observations.filter(({ verdict, expected }) => verdict !== expected),
      )
      const others = off.filter(({ verdict }) => verdict !== 'no-such-name')
      if (others.length > 0) return `they say something else, or nothing: ${others[0]?.detail}`
      return off.length > 0 ? undefined : 'every DNS server knew the new Service'
    },
    async heal(context) {
      if (isCut) await cutWatches(context, '-D')
      isCut = false
    },
  }
}

/** Faults of Services that change, and of what is behind them. */
export const serviceLifeFaults: readonly Fault[] = [
  endpointRemovalUnnoticed,
  terminatingStillLed,
  terminatingNotLed(),
  typeChangeUnnoticed,
  udpConversationStale,
  heldSocketStale,
  dnsWatchCut(),
  affinityForEver,
]
