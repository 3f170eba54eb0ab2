import type { V1Service } from '@kubernetes/client-node'
import type { WireEnd } from '../agent/protocol.ts'
import { sleep } from '../await.ts'
import { podLabel } from '../fixture-pods.ts'
import type { Trace } from '../looks/network-look.ts'
import type { PodStart } from './own-pods.ts'
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
  /** Kinds of traces of pods that live; and what stays of those that are gone. */
  traces?: readonly Trace['kind'][]
  left?: readonly Trace['kind'][]
  leftForMs?: number
}

interface Served {
  ip: string
  selector: string
  untilMs: number
}

/** Pods and Services that come and go. */
export class SimulatedLife {
  readonly #world: World
  readonly #faults: LifeFaults
  readonly #log: (change: string) => void
  readonly running = new Map<string, WorldPod>()
  readonly #gone = new Map<string, number>()
  readonly #services = new Map<string, Served>()
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
    this.#gone.set(pod.uid, performance.now())
  }

  async createService({ metadata, spec }: V1Service): Promise<{ ip: string }> {
    const name = metadata?.name ?? ''
    this.#log(`create ${name}`)
    const ip = `10.96.7.${this.#services.size + 1}`
    const selector = spec?.selector?.[podLabel] ?? ''
    this.#services.set(name, { ip, selector, untilMs: Infinity })
    return { ip }
  }

  async deleteService({ name }: { name: string }): Promise<void> {
    this.#log(`remove ${name}`)
    const found = this.#services.get(name)
    if (found !== undefined) found.untilMs = performance.now() + (this.#faults.servedAfterDeletionMs ?? 0)
  }

  livingPods(): { name: string; ip: string }[] {
    return [...this.#world.pods, ...this.running.values()].map(({ fullName: name, ip }) => ({ name, ip }))
  }

  /** Who answers at an address, a Service or a record of an address; or how it ends where nobody does. */
  whoHas(host: string, from: WorldPod): WorldPod | WireEnd {
    const record = /^(\d+)-(\d+)-(\d+)-(\d+)\./.exec(host)
    const ip = record === null ? host : record.slice(1).join('.')
    const pods = [...this.#world.pods, ...this.running.values()]
    const owner = pods.find((pod) => pod.ip === ip || pod.serviceIp === ip)
    if (owner !== undefined) return owner
    const served = [...this.#services.values()].find((service) => service.ip === ip)
    const isServed = served !== undefined && performance.now() < served.untilMs
    const behind = pods.find(({ name }) => name === served?.selector)
    if (isServed && behind !== undefined && this.#faults.servicesUnserved !== true) return behind
    return this.#faults.ghost?.(ip, from, this) ?? 'timeout'
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
