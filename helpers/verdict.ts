import { median } from 'simple-statistics'
import type { Facts, WireResult } from './agent/protocol.ts'
import { judgeResult, unasked } from './answer-verdict.ts'
import { backendsProblem } from './backends.ts'
import { outsideName, type Verdict } from './check-probes.ts'
import type { Observation } from './observation.ts'
import { rounded, type Around, type Judgement } from './inspect.ts'
import type { Looks } from './looks/node-looks.ts'
import { judgeLatency } from './path-verdict.ts'
import type { Planned, PlannedProbe } from './plan/planned.ts'
import { unlessUncontrolled } from './silence-verdict.ts'
import { unlessStarved } from './starved-verdict.ts'
import { judgeTarget } from './target-verdict.ts'
import type { World } from './world.ts'

/**
 * Results in, verdicts out. Pure, and the only place where a verdict is made. Rule of the house: a verdict needs
 * positive evidence. A missing row, a local error, or silence from a peer that was not provably alive is `unknown`.
 */

/** What came back from the agents. */
export interface Replies {
  /** The result of a wire probe; undefined when its row is missing. */
  result(agent: string, id: number): WireResult | undefined
  /** Why an agent's rows are missing; undefined for an agent whose stream was whole to the end. */
  fault(agent: string): string | undefined
  /** Milliseconds that the server of an agent's pod waited for a processor while all were asked. */
  waitedMs?(agent: string): number
  /** What the nodes show, where they were looked at. */
  looks?: Looks
  /** What the agents say of their pods, by `namespace/name`. */
  facts?: ReadonlyMap<string, Facts>
}

/** What a planned probe came to, before it is told who asked whom. */
export interface Seen {
  expected: Verdict
  verdict: Verdict
  detail: string | undefined
  starved: true | undefined
  attempts: number
  asked: number
  answered: number
  /** Median of the answers' round trips in milliseconds; undefined without an answer. */
  latencyMs: number | undefined
  answers: readonly WireResult[]
}

/** The verdict on one planned probe: all its wire probes together. */
export const observe = (planned: PlannedProbe, replies: Replies, world: World): Observation =>
  tell(planned, seenOf(planned, replies, world))

/** The verdict alone, with what it rests on: of a million pairs few are ever told. */
export function seenOf(planned: PlannedProbe, replies: Replies, world: World): Seen {
  const judged = judgedOf(planned).map((question) => judge(planned, question, replies, world))
  const { verdict, detail, starved } = combine(planned, judged, replies)
  const answers: WireResult[] = []
  const times: number[] = []
  let attempts = 0
  for (const { agent, wire } of planned.questions) {
    const result = replies.result(agent, wire.id)
    if (result === undefined) continue
    attempts += result.attempts
    if (result.end !== 'answered') continue
    answers.push(result)
    // That of a look at a path is the time that was given to whoever may object.
    if (result.path === undefined) times.push(result.ms)
  }
  const receipt = planned.receipt && replies.result(planned.receipt.agent, planned.receipt.wire.id)
  return {
    expected: mayRefuse(planned) && verdict === 'refused' ? verdict : planned.probe.expect,
    verdict,
    detail,
    starved,
    attempts,
    asked: planned.receipt?.wire.nonces.length ?? planned.questions.length,
    answered: receipt?.received?.length ?? answers.length,
    latencyMs: times.length > 0 ? rounded(median(times)) : undefined,
    answers,
  }
}

/** What was seen, as reports have it. */
export function tell(planned: PlannedProbe, seen: Seen): Observation {
  const { expected, verdict, detail, starved, attempts, asked, answered, latencyMs, answers } = seen
  return {
    probe: describe(planned),
    from: askerOf(planned),
    to: planned.to,
    ...wayOf(planned),
    expected,
    verdict,
    attempts,
    asked,
    answered,
    ...(latencyMs === undefined ? {} : { latencyMs }),
    peers: peersOf(answers),
    ...(detail === undefined ? {} : { detail }),
    ...(starved === undefined ? {} : { starved }),
  }
}

/** Who asked; only a pod has a node. */
function askerOf({ from: { name, fullName, pinnedTo, ip } }: PlannedProbe): Observation['from'] {
  return { name: fullName, ...(name === outsideName ? {} : { node: pinnedTo }), address: ip }
}

/** What a verdict is made of: of a one-way datagram only the receiver can say something. */
const judgedOf = ({ questions, receipt }: PlannedProbe): readonly Planned[] =>
  receipt === undefined ? questions : [...questions.filter(({ wire }) => wire.kind !== 'datagram'), receipt]

/** Which way a probe took, and with what. */
function wayOf({ probe, target }: PlannedProbe): Pick<Observation, 'via' | 'protocol'> {
  if (target !== undefined) return { via: 'service' in target ? 'fqdn' : 'host', protocol: target.protocol }
  if ('healthOf' in probe) return { via: 'health-check-node-port', protocol: 'http' }
  if ('apiServer' in probe) return { via: probe.apiServer, protocol: 'tls' }
  if ('outside' in probe) return { via: 'outside', protocol: probe.outside }
  if ('lookup' in probe) return { via: 'resolv-conf', protocol: 'dns' }
  return {
    via: 'via' in probe ? probe.via : 'at' in probe ? probe.at : 'inside',
    protocol: 'protocol' in probe ? probe.protocol : 'none',
  }
}

/** Which verdict speaks for many: the most telling one that differs from the expected, evidence before ignorance. */
const bySeverity: readonly Verdict[] = [
  'wrong-peer',
  'wrong-answer',
  'refused',
  'unreachable',
  'timed-out',
  'no-such-name',
  'reached',
  'unknown',
]

/** Is a refusal as right as the silence that is expected? */
const mayRefuse = ({ probe }: PlannedProbe): boolean => 'mayRefuse' in probe && probe.mayRefuse === true

/** The verdict that speaks for these, of which there is at least one. */
export const mostTelling = (verdicts: readonly Verdict[]): Verdict =>
  bySeverity.find((verdict) => verdicts.includes(verdict)) ?? 'unknown'

function combine(planned: PlannedProbe, judged: readonly Judgement[], replies: Replies): Judgement {
  const { expect } = planned.probe
  // Who expects just that has learnt nothing from a question that was never sent.
  if (judged.length === 0) {
    const detail = planned.nobody ?? 'nobody to ask'
    return { verdict: expect === 'unreachable' ? 'unknown' : 'unreachable', detail }
  }
  const unlike = judged.filter(({ verdict }) => verdict !== expect)
  const off = unlike.filter(({ verdict }) => verdict !== 'refused' || !mayRefuse(planned))
  const telling = off.length === 0 ? undefined : mostTelling(off.map(({ verdict }) => verdict))
  const worst = off.find(({ verdict }) => verdict === telling)
  if (worst !== undefined) {
    const alike = off.filter(({ verdict }) => verdict === worst.verdict)
    const share = judged.length > 1 ? `${alike.length} of ${judged.length}: ` : ''
    return {
      verdict: worst.verdict,
      detail: `${share}${worst.detail ?? `saw ${worst.verdict}`}`,
      ...(alike.every(({ starved }) => starved === true) ? { starved: true } : {}),
    }
  }
  // Of some it is also said what the verdict rests on where it is the expected one.
  const [only] = planned.target === undefined ? unlike : judged
  const told = only ?? judged.find(({ verdict, detail }) => restsOn.has(verdict) && detail !== undefined)
  return backendsOff(planned, replies) ?? latencyOf(planned, replies) ?? told ?? { verdict: expect }
}

/** Verdicts of which it is worth knowing what they rest on, where they are as expected. */
const restsOn: ReadonlySet<Verdict> = new Set(['reached', 'refused'])

/** How long answers took that have a time limit as a whole. */
function latencyOf(planned: PlannedProbe, replies: Replies): Judgement | undefined {
  const judgement = judgeLatency(planned, ({ agent, wire }) => replies.result(agent, wire.id))
  return judgement === undefined ? undefined : unlessDead(planned, judgement, replies)
}

/** What is wrong with who answered the connections to a Service, all of which were answered by someone who may. */
function backendsOff(planned: PlannedProbe, replies: Replies): Judgement | undefined {
  const { probe, mayAnswer, questions } = planned
  if (!('answeredBy' in probe) || probe.expect !== 'reached') return undefined
  const answers = questions.map(({ agent, wire }) => replies.result(agent, wire.id)?.identity?.podUid)
  const backends = mayAnswer.map(({ uid, fullName }) => ({
    name: fullName,
    answers: answers.filter((each) => each === uid).length,
  }))
  const problem = backendsProblem(probe.answeredBy ?? 'any-endpoint', backends, questions.length)
  return problem === undefined ? undefined : unlessDead(planned, problem, replies)
}

const noFacts: Around['facts'] = new Map()

/** The verdict on one wire probe. */
function judge(planned: PlannedProbe, question: Planned, replies: Replies, world: World): Judgement {
  const result = replies.result(question.agent, question.wire.id)
  if (result === undefined) {
    return { verdict: 'unknown', detail: replies.fault(question.agent) ?? 'the agent sent no result' }
  }
  const around = { world, looks: replies.looks, facts: replies.facts ?? noFacts }
  const judgement =
    planned.target === undefined
      ? unlessUncontrolled(planned, judgeResult(planned, question.wire, result, around), replies)
      : judgeTarget(planned, planned.target, result, replies)
  const sent = question === planned.receipt ? unlessUnsent(planned, judgement, replies) : judgement
  return unlessStarved(planned, question, unlessDead(planned, sent, replies), replies)
}

/** What its sender could not even send says nothing by not arriving. */
function unlessUnsent(planned: PlannedProbe, judgement: Judgement, replies: Replies): Judgement {
  if (judgement.verdict === 'reached') return judgement
  const results = planned.questions.flatMap(({ agent, wire }) => replies.result(agent, wire.id) ?? [])
  const [unsent] = results
  if (unsent === undefined || !results.every(({ end }) => end === 'local-error' || end === 'starved'))
    return judgement
  return unasked(unsent)
}

/** Nothing is held against the network when a pod that the answer rests on was not provably alive to the end. */
function unlessDead(planned: PlannedProbe, judgement: Judgement, replies: Replies): Judgement {
  if (judgement.verdict === 'reached' || judgement.verdict === 'unknown') return judgement
  const dead = planned.rests.find((pod) => replies.fault(pod.name) !== undefined)
  if (dead === undefined) return judgement
  return {
    verdict: 'unknown',
    detail: `${judgement.detail ?? judgement.verdict}, but ${dead.fullName} was not alive throughout: ${replies.fault(dead.name)}`,
  }
}

function peersOf(answered: readonly WireResult[]): Observation['peers'] {
  const peers = new Map<string, { pod: string; node: string; answers: number; saw: string[] }>()
  for (const { identity } of answered) {
    if (identity === undefined) continue
    const peer = peers.get(identity.podUid) ?? { pod: identity.pod, node: identity.node, answers: 0, saw: [] }
    peer.answers += 1
    if (!peer.saw.includes(identity.saw)) peer.saw.push(identity.saw)
    peers.set(identity.podUid, peer)
  }
  return [...peers.values()].toSorted((a, b) => a.pod.localeCompare(b.pod))
}

const keptTexts = {
  'source-port': ' from the same port as ever',
  socket: ' over the socket that it holds',
} as const

function describe(planned: PlannedProbe): string {
  const { probe, from, to, record } = planned
  if ('inspect' in probe) return `${probe.inspect} in ${from.name}`
  if ('target' in probe) return `${from.name} -> ${to.name}`
  const { via, protocol } = wayOf(planned)
  if (record !== undefined)
    return `${from.name} asks ${to.name} for ${record.type} of ${record.name} over ${protocol}`
  const kept = 'keeps' in probe && probe.keeps !== undefined ? keptTexts[probe.keeps] : ''
  return `${from.name} -> ${to.name} via ${via} over ${protocol}${kept}`
}
