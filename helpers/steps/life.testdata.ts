import type { V1Service } from '@kubernetes/client-node'
import type { WireEnd } from '../agent/protocol.ts'
import { sleep } from '../await.ts'
import type { ServiceType } from '../check-steps.ts'
import type { Trace } from '../looks/network-look.ts'
import type { PodStart } from './own-pods.ts'
import type { CreatedService } from './own-services.ts'
import type { Tracer } from './step-traces.ts'
import type { World, WorldPod } from '../world.ts'

/** What may go wrong with pods and Services of checks' own on a simulated network. */
export interface LifeFaults {
  /** Addresses that pods get, in order; without it each gets a new one. */
  addresses?: readonly string[]
  /** What becomes of the start of a pod instead. */
  start?: (pod: WorldPod, nth: number) => PodStart | undefined
  /** Why a pod does not go. */
  stays?: string
  /** Who answers where nobody has the address, and how. */
  ghost?: (ip: string, from: WorldPod, life: SimulatedLife) => WorldPod | WireEnd | undefined
  /** Nobody serves new Services; or those that were deleted are served for so long, in milliseconds. */
  servicesUnserved?: boolean
  servedAfterDeletionMs?: number
  /** What a proxy does wrong with the endpoints of a Service, and a DNS server with its record. */
  proxy?: 'keeps-terminating' | 'keeps-first' | 'drops-terminating' | 'keeps-node-port' | 'no-node-port'
  /** A source port that has met an endpoint is led to it for ever. */
  conversationsStick?: boolean
  /** Whether sticky Services keep their clients; undefined as they should. */
  affinity?: 'none' | 'for-ever'
  /** A new ClusterIP with each type. */
  addressChanges?: boolean
  /** DNS servers go on to say what they said first, for so long, in milliseconds. */
  recordsLagMs?: number
  /** Kinds of traces of pods that live; and what stays of those that are gone. */
  traces?: readonly Trace['kind'][]
  left?: readonly Trace['kind'][]
  leftForMs?: number
}

interface Served {
  name: string
  ip: string
  selector: Readonly<Record<string, string>>
  sinceMs: number
  untilMs: number
  isOpen: boolean
  /** Milliseconds that it keeps a client. */
  keepsMs: number
}

/** What is asked of the simulated network. */
export interface Asked {
  host: string
  port: number
  from: WorldPod
  sourcePort?: number | undefined
}

/** First node port of a simulated Service: http, tcp and udp follow each other. */
const firstNodePort = 30_100

/** Pods and Services that come and go. */
export class SimulatedLife {
  readonly #world: World
  readonly #faults: LifeFaults
  readonly #log: (change: string) => void
  readonly running = new Map<string, WorldPod>()
  readonly #gone = new Map<string, number>()
  readonly #terminating = new Set<string>()
  readonly #services: Served[] = []
  readonly #conversations = new Map<string, WorldPod>()
  readonly #clients = new Map<string, { endpoint: WorldPod; atMs: number }>()
  #started = 0

  constructor(world: World, faults: LifeFaults, log: (change: string) => void) {
    this.#world = world
    this.#faults = faults
    this.#log = log
  }

  async startPod(pod: WorldPod): Promise<PodStart> {
    this.#log(`start ${pod.name}`)
    const nth = this.#started++
    await sleep(5)
    const instead = this.#faults.start?.(pod, nth)
    if (instead !== undefined) return instead
    const ip = this.#faults.addresses?.[nth] ?? `10.244.${pod.node === 'worker1' ? 1 : 2}.${100 + nth}`
    const started = { ...pod, uid: `uid-${pod.name}-${nth}`, ip, ready: true, runsOn: pod.pinnedTo }
    this.running.set(pod.name, started)
    return { state: 'ready', pod: started, readyMs: 5 }
  }

  async stopPod(pod: WorldPod): Promise<void> {
    this.#log(`stop ${pod.name}`)
    if (this.#faults.stays !== undefined && this.running.has(pod.name)) throw new Error(this.#faults.stays)
    this.running.delete(pod.name)
    this.#terminating.delete(pod.uid)
    this.#gone.set(pod.uid, performance.now())
  }

  async terminatePod(pod: WorldPod): Promise<void> {
    this.#log(`terminate ${pod.name}`)
    this.#terminating.add(pod.uid)
  }

  async createService({ metadata, spec }: V1Service): Promise<CreatedService> {
    const name = metadata?.name ?? ''
    this.#log(`create ${name}`)
    const ip = `10.96.7.${this.#services.length + 1}`
    const selector = spec?.selector ?? {}
    this.#services.push({
      name,
      ip,
      selector,
      sinceMs: performance.now(),
      untilMs: Infinity,
      isOpen: false,
      keepsMs: (spec?.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 0) * 1_000,
    })
    return { ip, nodePorts: {} }
  }

  async changeService({ metadata }: V1Service, type: ServiceType): Promise<CreatedService> {
    const found = this.#services.findLast(({ name }) => name === metadata?.name)
    if (found === undefined) throw new Error('no such Service')
    const { proxy, addressChanges } = this.#faults
    found.isOpen = type === 'NodePort' ? proxy !== 'no-node-port' : proxy === 'keeps-node-port'
    if (addressChanges === true) found.ip = '10.96.7.200'
    const [http, tcp, udp] = [0, 1, 2].map((each) => firstNodePort + each) as [number, number, number]
    return { ip: found.ip, nodePorts: type === 'NodePort' ? { http, tcp, udp } : {} }
  }

  async deleteService({ name }: { name: string }): Promise<void> {
    this.#log(`remove ${name}`)
    const found = this.#services.findLast((each) => each.name === name)
    if (found !== undefined) found.untilMs = performance.now() + (this.#faults.servedAfterDeletionMs ?? 0)
  }

  /** Addresses that a DNS server says for the name of a Service. */
  recordsOf(host: string): string[] {
    const [name] = host.split('.')
    const atMs = performance.now() - (this.#faults.recordsLagMs ?? 0)
    return this.#services
      .filter((each) => each.name === name && each.sinceMs <= atMs && atMs < each.untilMs)
      .map(({ ip }) => ip)
  }

  livingPods(): { name: string; ip: string }[] {
    return [...this.#world.pods, ...this.running.values()].map(({ fullName: name, ip }) => ({ name, ip }))
  }

  /** Who answers at an address, a Service or a record of an address; or how it ends where nobody does. */
  whoHas(asked: Asked): WorldPod | WireEnd {
    const { host, port, from } = asked
    const record = /^(\d+)-(\d+)-(\d+)-(\d+)\./.exec(host)
    const ip = record === null ? host : record.slice(1).join('.')
    const pods = [...this.#world.pods, ...this.running.values()]
    const owner = pods.find((pod) => pod.ip === ip || pod.serviceIp === ip)
    if (owner !== undefined) return owner
    const atNode = this.#world.nodes.some(({ address }) => address === ip)
    const service = this.#services.findLast((each) => (atNode ? each.isOpen : each.ip === ip))
    if (atNode && (service === undefined || port < firstNodePort)) return 'refused'
    const isServed = service !== undefined && performance.now() < service.untilMs
    const answer = isServed && this.#faults.servicesUnserved !== true ? this.#led(service, asked) : undefined
    return answer ?? this.#faults.ghost?.(ip, from, this) ?? 'timeout'
  }

  /** The endpoint that a question is led to. */
  #led(service: Served, { from, port, sourcePort }: Asked): WorldPod | WireEnd | undefined {
    const { selector, name, keepsMs } = service
    const client = `${from.name} ${name} ${port}`
    const { affinity } = this.#faults
    const kept = this.#clients.get(client)
    const lastsMs = affinity === 'for-ever' ? Infinity : keepsMs
    const nowMs = performance.now()
    if (keepsMs > 0 && affinity !== 'none' && kept !== undefined && nowMs - kept.atMs < lastsMs) {
      kept.atMs = nowMs
      return kept.endpoint
    }
    const conversation = `${from.name} ${sourcePort} ${name}`
    const known = this.#conversations.get(conversation)
    if (known !== undefined && this.#faults.conversationsStick === true)
      return this.running.get(known.name)?.uid === known.uid ? known : 'timeout'
    const inMain = [...this.#world.pods, ...this.running.values()].filter(
      ({ namespace }) => namespace === 'main',
    )
    const behind = inMain.filter(({ labels }) =>
      Object.entries(selector).every(([key, value]) => labels[key] === value),
    )
    const { proxy } = this.#faults
    const steady = behind.filter(({ uid }) => !this.#terminating.has(uid))
    const serving =
      proxy === 'keeps-terminating'
        ? behind
        : proxy === 'keeps-first'
          ? behind.slice(0, 1)
          : steady.length > 0 || proxy === 'drops-terminating'
            ? steady
            : behind
    const endpoint = serving[Math.floor(Math.random() * serving.length)]
    if (endpoint !== undefined) this.#clients.set(client, { endpoint, atMs: nowMs })
    if (endpoint !== undefined && sourcePort !== undefined) this.#conversations.set(conversation, endpoint)
    return endpoint
  }

  readonly tracer: Tracer = {
    identify: async ({ name, uid, ip, pinnedTo: node }) => ({
      namespace: 'main',
      name,
      uid,
      ip,
      node,
      hostInterface: { name: `veth-${name}`, index: 7 },
    }),
    traces: async ({ uid, ip }) => {
      const { traces = ['interface', 'endpoint', 'address'], left = traces, leftForMs = 0 } = this.#faults
      const goneMs = this.#gone.get(uid)
      const all = (kinds: readonly Trace['kind'][]) =>
        kinds.map((kind) => ({ kind, name: `${kind} of ${ip}` }))
      if (goneMs === undefined) return all(traces)
      return performance.now() - goneMs < leftForMs ? all(left) : []
    },
  }
}
