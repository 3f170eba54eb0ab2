import { spawn } from 'node:child_process'
import type { KubeConfig } from '@kubernetes/client-node'
import { AgentClient, type AgentTransport, type BatchResult } from './agent/client.ts'
import { openExecStream } from './agent/exec-stream.ts'
import { processTransport } from './agent/process-transport.ts'
import type { Facts, Waited, WireProbe, WireResult } from './agent/protocol.ts'
import { outsideName } from './check-probes.ts'
import { messageOf } from './errors.ts'
import { type FixtureNamespaces, type FixtureSpec } from './fixture-objects.ts'
import { agentCommand, containers } from './fixture-pods.ts'
import type { Plan } from './plan/plan.ts'
import type { Replies } from './verdict.ts'
import type { OutsideServer } from './world.ts'

/** None is known of an agent whose rows are missing; a server that was started anew counts from 0. */
const waitIn = (waited: Waited | undefined): number =>
  waited === undefined ? 0 : Math.max(0, waited.toMs - waited.fromMs)

type Pod = Pick<FixtureSpec, 'name' | 'namespace'>
type OpenTransport = () => Promise<AgentTransport>

/** Control streams to agents: of the fixtures, of the pods that checks start, and of the server outside. */
export class Agents {
  readonly #config: KubeConfig
  readonly #namespaces: FixtureNamespaces
  readonly #openers = new Map<string, OpenTransport>()
  readonly #clients = new Map<string, AgentClient>()
  readonly #broken = new Map<string, string>()

  constructor(config: KubeConfig, namespaces: FixtureNamespaces) {
    this.#config = config
    this.#namespaces = namespaces
  }

  /** Opens a stream to each pod, side by side; from then on they are asked. One that does not answer does not throw. */
  async connect(pods: readonly Pod[]): Promise<void> {
    await Promise.all(
      pods.map(({ name, namespace }) =>
        this.connectBy(name, () =>
          openExecStream(this.#config, {
            namespace: this.#namespaces[namespace],
            pod: name,
            container: containers.agent,
            command: agentCommand,
          }),
        ),
      ),
    )
  }

  /** The same for the server outside: past every network under test, as to the nodes of our own clusters. */
  async connectOutside({ container }: OutsideServer): Promise<void> {
    const argv = ['exec', '-i', container, ...agentCommand]
    // In a group of its own, which a Ctrl-C in the terminal does not reach.
    await this.connectBy(outsideName, async () =>
      processTransport(spawn('docker', argv, { stdio: ['pipe', 'pipe', 'ignore'], detached: true })),
    )
  }

  /** Opens a stream to an agent, whatever leads to it. */
  async connectBy(name: string, open: OpenTransport): Promise<void> {
    await this.#open(name, open)
    this.#openers.set(name, open)
  }

  async #open(name: string, open: OpenTransport): Promise<void> {
    try {
      this.#clients.set(name, await AgentClient.open(await open()))
      this.#broken.delete(name)
    } catch (error) {
      this.#broken.set(name, messageOf(error))
    }
  }

  /** Opens the streams again that have broken, such as those of a pod that was made anew. */
  async reconnect(): Promise<void> {
    await Promise.all(
      [...this.#openers]
        .filter(([name]) => this.#broken.has(name) || this.#clients.get(name)?.fault !== undefined)
        .map(([name, open]) => {
          this.#drop(name)
          return this.#open(name, open)
        }),
    )
  }

  /** Ends the stream of a pod that is about to go. */
  disconnect({ name }: Pod): void {
    this.#openers.delete(name)
    this.#drop(name)
    this.#broken.delete(name)
  }

  #drop(name: string): void {
    this.#clients.get(name)?.close()
    this.#clients.delete(name)
  }

  /** Asks a whole plan, all agents at the same time. */
  async ask(plan: Plan): Promise<Replies> {
    const results = new Map<string, ReadonlyMap<number, WireResult>>()
    const receipts = new Map<string, ReadonlyMap<number, WireResult>>()
    const facts = new Map<string, Facts>()
    const faults = new Map<string, string>(this.#broken)
    const waits = new Map<string, Waited>()
    // All that a verdict may rest on, also those with nothing to say: who answers the second time was alive to the end, and
    // what its server waited in between is known.
    const rests = restsOf(plan)
    const stages = [
      { asked: plan.questions, came: results },
      { asked: plan.receipts, came: receipts },
    ]
    for (const { asked, came } of stages) {
      await Promise.all(
        [...rests].map(async (name) => {
          if (!this.#openers.has(name)) return
          const batch = await this.batch(name, asked.get(name) ?? [])
          came.set(name, batch.results)
          for (const result of batch.results.values())
            if (result.facts !== undefined) facts.set(result.facts.pod, result.facts)
          if (batch.fault !== undefined) faults.set(name, batch.fault)
          const fromMs = waits.get(name)?.fromMs ?? batch.waited?.fromMs
          if (batch.waited !== undefined && fromMs !== undefined)
            waits.set(name, { fromMs, toMs: batch.waited.toMs })
        }),
      )
    }
    return {
      result: (agent, id) => results.get(agent)?.get(id) ?? receipts.get(agent)?.get(id),
      fault: (agent) => faults.get(agent),
      waitedMs: (agent) => waitIn(waits.get(agent)),
      facts,
    }
  }

  /** Asks one agent. */
  async batch(name: string, probes: WireProbe[]): Promise<BatchResult> {
    const client = this.#clients.get(name)
    if (client !== undefined) return client.runPlan(probes)
    return { results: new Map(), complete: false, fault: this.#broken.get(name) ?? 'no stream to this agent' }
  }

  /** Ends all streams. */
  close(): void {
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }
}

/** The agents that a plan asks, and those of all pods that a verdict on it rests on or that may answer. */
function restsOf({ probes, questions, receipts }: Plan): Set<string> {
  const names = new Set([...questions.keys(), ...receipts.keys()])
  for (const { rests, mayAnswer } of probes) {
    for (const { name } of rests) names.add(name)
    // Of those who may answer it is asked how long they had to wait for a processor.
    for (const { name } of mayAnswer) names.add(name)
  }
  return names
}
