import type { Facts } from '../agent/protocol.ts'
import { sleep } from '../await.ts'
import { budgets } from '../budgets.ts'
import type { Step } from '../check-steps.ts'
import type { Observation, Outcome } from '../observation.ts'
import { messageOf } from '../errors.ts'
import type { Trace, TracedPod } from '../looks/network-look.ts'
import type { NodeLooks } from '../looks/node-looks.ts'
import { podEnd } from '../plan/planned.ts'
import type { Made } from './step-changes.ts'
import { rounded } from '../inspect.ts'
import type { World, WorldPod } from '../world.ts'

/** What pods of a check's own leave on their nodes, and whether it goes with them. */

/** Looks for traces of pods on their nodes. */
export interface Tracer {
  /** A pod that runs, with the node's end of its interface; throws when that cannot be found. */
  identify(pod: WorldPod): Promise<TracedPod>
  /** What there is of it now; throws when something could not be read. */
  traces(pod: TracedPod): Promise<readonly Trace[]>
}

/** @param factsOf what the agent of a pod says of its own interface */
export function tracerOf(looks: NodeLooks, world: World, factsOf: (pod: WorldPod) => Promise<Facts>): Tracer {
  return {
    async identify(pod) {
      const { interface: inside } = await factsOf(pod)
      if (inside === undefined) throw new Error('its agent does not know its interface')
      const hostInterface = await looks.hostInterface(pod.pinnedTo, inside)
      if (hostInterface === undefined) throw new Error("the node's end of its interface was not found")
      const { name, uid, ip, pinnedTo: node } = pod
      return { namespace: world.namespaces[pod.namespace], name, uid, ip, node, hostInterface }
    },
    traces: (pod) => looks.traces(world, pod),
  }
}

/** How long is looked. */
interface TraceOptions {
  signal?: AbortSignal
  /** Milliseconds until what does not change is a finding; the budget podTracesMs unless said. */
  settledMs?: number
}

/** What a step saw of the traces that it looks for. */
interface Traced {
  observations: Observation[]
  measurements: NonNullable<Outcome['measurements']>
}

/** Kinds that every CNI has of a living pod. Of a pod that never showed them nothing can be called gone. */
const kindsOfLiving: readonly Trace['kind'][] = ['interface', 'endpoint', 'address']

/** Between two looks, in milliseconds; each costs a few commands on the node. */
const betweenLooksMs = 100

/** One observation for each pod whose traces the step looks for. */
export async function lookForTraces(
  step: Step,
  made: Made,
  tracer: Tracer | undefined,
  options: TraceOptions,
): Promise<Traced> {
  const traced: Traced = { observations: [], measurements: [] }
  await Promise.all(
    step.traces.map(async (role) => {
      const running = made.running.get(role)
      const pod = running ?? made.former.get(role)
      if (pod === undefined) return
      const [verdict, detail] =
        tracer === undefined
          ? (['unknown', 'no access to its node'] as const)
          : running === undefined
            ? await seeGone(role, made, tracer, traced, options)
            : await seeThere(role, running, made, tracer, options)
      traced.observations.push(observation(step, pod, verdict, detail))
    }),
  )
  return traced
}

type Seen = readonly [verdict: Observation['verdict'], detail?: string]

/** Until every kind of trace is there. */
async function seeThere(
  role: string,
  pod: WorldPod,
  made: Made,
  tracer: Tracer,
  options: TraceOptions,
): Promise<Seen> {
  // What comes late is no finding here: it makes the check unknown, and the whole budget is at hand.
  const { signal } = options
  return look(signal === undefined ? {} : { signal }, async () => {
    const known = made.traced.get(role)
    const traced = known?.uid === pod.uid ? known : await tracer.identify(pod)
    made.traced.set(role, traced)
    const kinds = new Set((await tracer.traces(traced)).map(({ kind }) => kind))
    const missing = kindsOfLiving.filter((kind) => !kinds.has(kind))
    return missing.length === 0
      ? ['reached']
      : ['wrong-answer', `no ${missing.join(' and no ')} of it is to be seen on its node`]
  })
}

/** Until none is there any more. */
async function seeGone(
  role: string,
  made: Made,
  tracer: Tracer,
  { measurements }: Traced,
  options: TraceOptions,
): Promise<Seen> {
  const traced = made.traced.get(role)
  if (traced === undefined || traced.uid !== made.former.get(role)?.uid)
    return ['unknown', 'its traces were never seen while it ran']
  const seen = await look(options, async () => {
    const left = await tracer.traces(traced)
    return left.length === 0
      ? ['reached']
      : ['wrong-answer', `still there: ${left.map(({ name }) => name).join(', ')}`]
  })
  const stoppedMs = made.stoppedAtMs.get(role)
  if (seen[0] === 'reached' && stoppedMs !== undefined)
    measurements.push({ name: 'pod deleted to traces gone', ms: rounded(performance.now() - stoppedMs) })
  return seen
}

/** Looks again and again; what could not be read is unknown. */
async function look(
  { signal, settledMs = budgets.podTracesMs.ms }: TraceOptions,
  once: () => Promise<Seen>,
): Promise<Seen> {
  const startedMs = performance.now()
  for (;;) {
    signal?.throwIfAborted()
    const seen = await once().catch((error: unknown): Seen => ['unknown', messageOf(error)])
    const passedMs = performance.now() - startedMs
    if (seen[0] === 'reached') return seen
    if (passedMs >= settledMs) return [seen[0], `${seen[1]}, ${Math.round(passedMs)} ms after the first look`]
    await sleep(betweenLooksMs)
  }
}

function observation(
  step: Step,
  pod: WorldPod,
  verdict: Observation['verdict'],
  detail: string | undefined,
): Observation {
  return {
    step: step.name,
    probe: `traces of ${pod.name} on its node`,
    from: podEnd(pod, undefined),
    to: { name: pod.pinnedTo, node: pod.pinnedTo },
    via: 'node',
    protocol: 'none',
    expected: 'reached',
    verdict,
    attempts: 1,
    asked: 1,
    answered: verdict === 'unknown' ? 0 : 1,
    peers: [],
    ...(detail === undefined ? {} : { detail }),
  }
}
