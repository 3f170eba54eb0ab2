import { Agents } from './agents.ts'
import { sleep } from './await.ts'
import { budgets } from './budgets.ts'
import { askAwake, starvedMeasurement } from './ask-awake.ts'
import type { Asked } from './asked.ts'
import { nodeAccess, type RunNeed } from './check-rules.ts'
import { isHeavy, isLasting, isLight, isLooking, isPlain, type Check } from './check.ts'
import type { Outcome } from './observation.ts'
import { specsOf } from './fixture-objects.ts'
import type { Kube } from './kube.ts'
import { startNewcomer } from './steps/newcomer.ts'
import { changeService, createService } from './steps/own-services.ts'
import { deletePod, startPod } from './steps/own-pods.ts'
import { planOf } from './plan/plan.ts'
import type { PlannedProbe } from './plan/planned.ts'
import { gapsIn, NodeLooks, type Looks, type NodeAccess } from './looks/node-looks.ts'
import { missingFeatures, outcomeOf, withNeeds, type Declared } from './outcome.ts'
import type { OnMoment } from './steps/step-moments.ts'
import { tracerOf, type Tracer } from './steps/step-traces.ts'
import { runSteps, type StepContext } from './steps/steps.ts'
import type { Replies } from './verdict.ts'
import { readLivingPods, type World, type WorldOptions, type WorldPod } from './world.ts'
import { readOrKeep, type Reading } from './world-reading.ts'
import { watchRunPods, type RunPods } from './run-pods.ts'

/** What a session is opened on. */
export interface SessionOptions extends WorldOptions {
  kube: Kube
  declared: Declared
  /** The cluster is ours: a Service that wants a load balancer gets none there. */
  ownCluster?: true
  /** Who has none can't look at the network from its nodes: checks that need it are unsupported. */
  access?: NodeAccess
}

/** What a session has that checks may need. */
function needsMet(options: SessionOptions): RunNeed[] {
  const { access, hostNetwork, outside, ownCluster, podSubnet, declared } = options
  const met: Record<RunNeed, boolean> = {
    [nodeAccess]: access !== undefined,
    'host-network': hostNetwork,
    outside: outside !== undefined,
    'own-cluster': ownCluster === true,
    'pod-cidr': podSubnet !== undefined,
    definition: declared.byNobody !== true,
  }
  return (Object.keys(met) as RunNeed[]).filter((need) => met[need])
}

/** What the cluster declares and what a session with these options has beside it. */
export const declaredIn = (options: SessionOptions): Declared =>
  withNeeds(options.declared, needsMet(options))

/** How long the paths took to answer before the first check. */
export interface Readiness {
  /** Batches that were sent until nothing changed any more. */
  rounds: number
  ms: number
  /** All probes answered as expected; false when the state stood still with some broken. */
  converged: boolean
}

/** How checks are run. */
export interface RunOptions {
  /** Runs between the look at the API and the first packet: the place for a fault in mid-run. */
  beforeAsking?: (world: World) => Promise<void>
  /** What was read for the run before holds while no pod is another one than then: nothing else has been changed. */
  keepWorld?: boolean
  /** Ends the run between two steps; what the checks applied is deleted first. */
  signal?: AbortSignal
  /** Told of the moments of checks with steps: the place for a fault that comes with what they change. */
  onMoment?: OnMoment
  /** Milliseconds until flows that stand still are a finding; shorter where it is known what they will not do. */
  settledMs?: number
}

/** Is there anything wrong that a look later may see right? What an agent has not said, no look will. */
function mayChange(looking: readonly Check[], asked: Asked, looks: Looks): boolean {
  const gaps: ReadonlySet<string | undefined> = gapsIn(looks)
  return looking
    .flatMap((check) => asked.observations(check, looks))
    .some(
      ({ verdict, expected, detail }) => verdict !== expected && (verdict !== 'unknown' || gaps.has(detail)),
    )
}

/** Milliseconds between two looks at what is not there yet. */
const lookEveryMs = 500

/**
 * Control streams to all fixture agents of one cluster. Checks can be run any number of times; those without
 * steps are one batch, so their wall time is the slowest budget and not the number of checks.
 */
export class Session {
  readonly #options: SessionOptions
  readonly #agents: Agents
  #reading: Reading | undefined
  #pods: Promise<RunPods> | undefined
  /** What the cluster declares and what this session can do. */
  readonly declared: Declared
  /** The look from the nodes; undefined without access to them. */
  readonly looks: NodeLooks | undefined

  private constructor(options: SessionOptions) {
    this.#options = options
    const { kube, access, namespaces } = options
    this.#agents = new Agents(kube.config, namespaces)
    this.declared = declaredIn(options)
    this.looks = access === undefined ? undefined : new NodeLooks(kube, access)
  }

  /** Opens one stream per fixture, side by side. An agent that does not answer makes `unknown`, it does not throw. */
  static async open(options: SessionOptions): Promise<Session> {
    const session = new Session(options)
    const { outside } = options
    await Promise.all([
      session.#agents.connect(specsOf(options)),
      ...(outside === undefined ? [] : [session.#agents.connectOutside(outside)]),
    ])
    return session
  }

  /** Opens the streams again that have broken, such as those of a pod that was made anew. */
  reconnect(): Promise<void> {
    return this.#agents.reconnect()
  }

  /** From the first time that somebody waits for a pod, until the session ends. */
  #watchPods(): Promise<RunPods> {
    return (this.#pods ??= watchRunPods(this.#options.kube))
  }

  /** What the API says now. */
  async world(): Promise<World> {
    return (await readOrKeep(this.#options.kube, this.#options)).world
  }

  /** For the next batch; streams that have broken meanwhile are opened again. */
  async #readAgain({ keepWorld = false }: RunOptions): Promise<World> {
    const before = keepWorld ? this.#reading : undefined
    const [reading] = await Promise.all([
      readOrKeep(this.#options.kube, this.#options, before),
      this.#agents.reconnect(),
    ])
    this.#reading = reading
    return reading.world
  }

  /**
   * Runs the checks once, no retries: those without steps all at the same time, but for heavy ones and those that last,
   * which come after them, then those with steps.
   *
   * @returns one outcome per check, in the order of the checks
   */
  async run(checks: readonly Check[], options: RunOptions = {}): Promise<Outcome[]> {
    const heavy = checks.filter(isHeavy)
    const lasting = checks.filter(isLasting)
    const plain = checks.filter((check) => isPlain(check) && !isHeavy(check) && !isLasting(check))
    const stepped = checks.filter((check) => !isPlain(check))
    const { beforeAsking: _once, ...others } = options
    const later = { ...others, keepWorld: true }
    const batches = [plain, heavy, lasting]
    const outcomes: Outcome[] = []
    for (const [index, batch] of batches.filter(({ length }) => length > 0).entries())
      outcomes.push(...(await this.#runPlain(batch, index === 0 ? options : later)))
    if (stepped.length > 0)
      outcomes.push(...(await this.#runSteps(stepped, outcomes.length > 0 ? later : options)))
    const byCheck = new Map(outcomes.map((outcome) => [outcome.check, outcome]))
    return checks.flatMap(({ id }) => byCheck.get(id) ?? [])
  }

  async #runPlain(checks: readonly Check[], options: RunOptions): Promise<Outcome[]> {
    const { declared } = this
    const runnable = checks.filter((check) => missingFeatures(check, declared).length === 0)
    const world = await this.#readAgain(options)
    await options.beforeAsking?.(world)
    const startedMs = performance.now()
    const asked = await askAwake(runnable, world, (plan) => this.#agents.ask(plan))
    const lastedMs = performance.now() - startedMs
    // Not beside packets: a look starts programs on every node, and an answer would wait for a processor.
    const taken = runnable.some(isLooking) ? await this.looks?.take(world) : undefined
    const looks = await this.#lookAgain(runnable, asked, world, taken, options)
    const lookedMs = performance.now() - startedMs
    return checks.map((check) => {
      const ownMs = isLooking(check) ? lookedMs : isLasting(check) ? lastedMs : 0
      const durationMs = Math.max(ownMs, asked.slowestMs(check))
      const outcome = outcomeOf(check, asked.observations(check, looks), durationMs, declared)
      const starvedMs = asked.starvedMs(check)
      if (starvedMs === undefined) return outcome
      return { ...outcome, measurements: [starvedMeasurement(starvedMs)] }
    })
  }

  /** What comes a moment after a fresh pod gets that moment; what is not there by then is not there. */
  async #lookAgain(
    checks: readonly Check[],
    asked: Asked,
    world: World,
    taken: Looks | undefined,
    { settledMs }: RunOptions,
  ): Promise<Looks | undefined> {
    const { looks } = this
    if (looks === undefined || taken === undefined) return taken
    const looking = checks.filter(isLooking)
    const deadline = performance.now() + Math.min(settledMs ?? Infinity, budgets.lookSettledMs.ms)
    let latest = taken
    while (mayChange(looking, asked, latest) && performance.now() < deadline) {
      await sleep(lookEveryMs)
      latest = await looks.take(world)
    }
    return latest
  }

  async #runSteps(checks: readonly Check[], options: RunOptions): Promise<Outcome[]> {
    const { declared, looks } = this
    const { kube } = this.#options
    const runnable = checks.filter((check) => missingFeatures(check, declared).length === 0)
    const unsupported = checks
      .filter((check) => !runnable.includes(check))
      .map((check) => outcomeOf(check, [], 0, declared))
    if (runnable.length === 0) return unsupported
    const [world, pods] = await Promise.all([this.#readAgain(options), this.#watchPods()])
    const ask = (probes: PlannedProbe[]): Promise<Replies> => this.ask(probes)
    const context: StepContext = {
      ...options,
      kube,
      world,
      declared,
      ...(looks === undefined ? {} : { tracer: this.#tracer(looks, world) }),
      ask,
      startNewcomer: (template, newcomer, first) =>
        startNewcomer(kube, pods, world, template, newcomer, first),
      startPod: (pod) => startPod(kube, pods, world, pod, options),
      meetPods: (pods) => this.#agents.connect(pods),
      terminatePod: ({ name, namespace }) =>
        kube.core.deleteNamespacedPod({ name, namespace: world.namespaces[namespace] }),
      stopPod: (pod) => this.#stopPod(pod, pods),
      createService: (service) => createService(kube, service),
      changeService: (service, type) => changeService(kube, service, type),
      deleteService: (target) => kube.core.deleteNamespacedService(target),
      livingPods: () => readLivingPods(kube),
    }
    return [...unsupported, ...(await runSteps(runnable, context))]
  }

  #tracer(looks: NodeLooks, world: World): Tracer {
    return tracerOf(looks, world, async ({ name }) => {
      const { results, fault } = await this.#agents.batch(name, [
        { id: 0, kind: 'facts', timeoutMs: budgets.probeMs.ms },
      ])
      const facts = results.get(0)?.facts
      if (facts === undefined) throw new Error(fault ?? 'the agent sent no facts')
      return facts
    })
  }

  async #stopPod(pod: WorldPod, pods: RunPods): Promise<void> {
    const { kube, namespaces } = this.#options
    this.#agents.disconnect(pod)
    await deletePod(kube, pods, pod, namespaces[pod.namespace])
  }

  /**
   * Runs the light checks until all are green, or until the red ones have stood still for `trafficSettledMs`. The run that
   * counts comes after it, so a verdict of green rests on two green runs in a row. The cluster is ready when traffic says so; how long that took is a result of its own.
   */
  async converge(checks: readonly Check[], onRound?: (seen: string) => void): Promise<Readiness> {
    const started = performance.now()
    let rounds = 0
    let lastRed = ''
    let changedAt = started
    // What is not ours is asked once: to a database, connections that come and go by the dozen look like an attack.
    const packets = checks.filter((check) => isLight(check) && check.targets === undefined)
    for (;;) {
      rounds += 1
      const red = (await this.run(packets)).filter(
        ({ outcome }) => outcome === 'failed' || outcome === 'not-run',
      )
      const now = performance.now()
      const names = red.map(({ check }) => check).join(' ')
      if (names !== lastRed) changedAt = now
      lastRed = names
      onRound?.(red.length === 0 ? 'all paths answer' : `${red.length} checks do not pass yet: ${names}`)
      const ms = Math.round(now - started)
      if (red.length === 0) return { rounds, ms, converged: true }
      const settled = now - changedAt >= budgets.trafficSettledMs.ms
      if (settled || ms >= budgets.trafficReadyMs.ms) return { rounds, ms, converged: false }
      await sleep(100)
    }
  }

  /** Asks all probes at the same time; their ids must differ. */
  ask(probes: PlannedProbe[]): Promise<Replies> {
    return this.#agents.ask(planOf(probes))
  }

  /** Ends all streams. */
  close(): void {
    this.#agents.close()
    void this.#pods?.then((pods) => pods[Symbol.dispose]())
  }
}
