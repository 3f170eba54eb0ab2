import { median } from 'simple-statistics'
import type { Facts, Of, WireProbe, WireResult } from './agent/protocol.ts'
import { backendsProblem } from './backends.ts'
import {
  outsideName,
  type OutsideProbe,
  type PathProbe,
  type ServiceProbe,
  type Verdict,
} from './check-probes.ts'
import { judgeHealth } from './health-verdict.ts'
import type { Observation } from './observation.ts'
import { inspections, listed, sameAddress, wrong, type Around, type Judgement } from './inspect.ts'
import { fromItsNode } from './looks/node-inspect.ts'
import type { Looks } from './looks/node-looks.ts'
import {
  judgeLatency,
  judgeLookup,
  judgeOverMtu,
  judgePathMtu,
  judgePing,
  lengthText,
} from './path-verdict.ts'
import type { Planned, PlannedProbe } from './plan/planned.ts'
import { unlessUncontrolled } from './silence-verdict.ts'
import { unlessStarved } from './starved-verdict.ts'
import { judgeTarget } from './target-verdict.ts'
import type { Party, World } from './world.ts'

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
  const { verdict, detail } = combine(planned, judged, replies)
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
    attempts,
    asked: planned.receipt?.wire.nonces.length ?? planned.questions.length,
    answered: receipt?.received?.length ?? answers.length,
    latencyMs: times.length > 0 ? rounded(median(times)) : undefined,
    answers,
  }
}

/** What was seen, as reports have it. */
export function tell(planned: PlannedProbe, seen: Seen): Observation {
  const { expected, verdict, detail, attempts, asked, answered, latencyMs, answers } = seen
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

/** Milliseconds to two digits. */
export const rounded = (ms: number): number => Math.round(ms * 100) / 100

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
    const count = off.filter(({ verdict }) => verdict === worst.verdict).length
    const share = judged.length > 1 ? `${count} of ${judged.length}: ` : ''
    return { verdict: worst.verdict, detail: `${share}${worst.detail ?? `saw ${worst.verdict}`}` }
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
  const [unsent] = results.filter(({ end }) => end === 'local-error')
  if (unsent === undefined || results.some(({ end }) => end !== 'local-error')) return judgement
  return { verdict: 'unknown', detail: `nothing was sent (${unsent.detail ?? 'no reason given'})` }
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

function judgeResult(planned: PlannedProbe, wire: WireProbe, result: WireResult, around: Around): Judgement {
  const where = result.phase === undefined ? '' : ` at ${result.phase}`
  const said = result.detail === undefined ? '' : ` (${result.detail})`
  switch (result.end) {
    case 'answered':
      return judgeAnswer(planned, wire, result, around)
    case 'sent':
      return { verdict: 'unknown', detail: 'sent, but nobody was asked whether it arrived' }
    case 'timeout':
      return { verdict: 'timed-out', detail: `no answer in ${wire.timeoutMs} ms${where}${said}` }
    case 'refused':
      return { verdict: 'refused', detail: `refused${where}${said}` }
    case 'unreachable':
      return { verdict: 'unreachable', detail: `unreachable${where}${said}` }
    case 'no-such-name':
      return { verdict: 'no-such-name', detail: `the name did not resolve${said}` }
    case 'bad-answer':
      return { verdict: 'wrong-answer', detail: `an answer that is not the agent's${said}` }
    case 'untrusted':
      return {
        verdict: 'wrong-peer',
        detail: `answered by somebody who is not ${planned.to.address}, by the certificate${said}`,
      }
    case 'in-use':
      return wire.kind === 'bind' && 'inspect' in planned.probe && planned.probe.inspect === 'port-in-use'
        ? { verdict: 'reached' }
        : { verdict: 'wrong-answer', detail: `EADDRINUSE${said}` }
    case 'local-error':
      return { verdict: 'unknown', detail: `the agent could not ask${said}` }
  }
}

function judgeAnswer(planned: PlannedProbe, wire: WireProbe, result: WireResult, around: Around): Judgement {
  switch (wire.kind) {
    case 'tcp':
    case 'udp':
    case 'http':
    case 'bulk':
      return judgeIdentity(planned, result, around)
    case 'ping':
      return judgePing(planned, wire, result)
    case 'path-mtu':
      return judgePathMtu(result)
    case 'over-mtu':
      return judgeOverMtu(result)
    case 'lookup':
      return judgeLookup(planned, result)
    // The certificate was its proof.
    case 'tls':
      return { verdict: 'reached' }
    case 'datagram':
      return { verdict: 'unknown', detail: 'a one-way datagram cannot be answered' }
    // The nonce came back; the tools container has no identity of its own, and loopback leads to no other pod.
    case 'tools-http':
    case 'tools-udp':
      return { verdict: 'reached' }
    case 'receipts':
      return (result.received?.length ?? 0) > 0
        ? { verdict: 'reached' }
        : {
            verdict: 'timed-out',
            detail: `none of ${wire.nonces.length} datagrams${lengthText(planned)} arrived, says the receiver`,
          }
    case 'dns':
      return judgeDns(planned, wire, result)
    case 'bind':
      return 'inspect' in planned.probe && planned.probe.inspect === 'port-free'
        ? { verdict: 'reached' }
        : { verdict: 'wrong-answer', detail: `bound port ${wire.port} although the other container holds it` }
    case 'connect':
      return judgeHealth(planned, result)
    case 'facts':
      return result.facts === undefined
        ? { verdict: 'unknown', detail: 'the agent sent no facts' }
        : judgeFacts(planned, result.facts, around)
  }
}

function judgeIdentity(planned: PlannedProbe, result: WireResult, { world }: Around): Judgement {
  const { identity } = result
  if (identity === undefined) return { verdict: 'wrong-answer', detail: 'the answer names nobody' }
  const wanted = planned.mayAnswer.find((pod) => pod.uid === identity.podUid)
  if (wanted === undefined) {
    return {
      verdict: 'wrong-peer',
      detail: `answered by ${identity.pod} on ${identity.node} (uid ${identity.podUid})`,
    }
  }
  const { source = 'any' } = planned.probe as Partial<PathProbe | ServiceProbe | OutsideProbe>
  if (source === 'any') return { verdict: 'reached' }
  const own = planned.from.ips
  const right = source === 'pod-or-node-ip' ? [...own, nodeAddressOf(planned.from, world)] : own
  if (right.some((each) => sameAddress(identity.saw, each))) return { verdict: 'reached' }
  return {
    verdict: 'wrong-answer',
    detail: `the server saw ${identity.saw} instead of the client's own ${right.join(' or ')}: its address was translated`,
  }
}

const nodeAddressOf = ({ pinnedTo }: Party, { nodes }: World): string =>
  nodes.find(({ name }) => name === pinnedTo)?.address ?? ''

function judgeDns({ record }: PlannedProbe, wire: Of<'dns'>, result: WireResult): Judgement {
  const { rcode, answers = [], truncated = false } = result
  const asked = `${wire.type} of ${wire.name}`
  if (record === undefined) return { verdict: 'unknown', detail: `nobody wanted the ${asked}` }
  if (rcode === 'NXDOMAIN') return { verdict: 'no-such-name', detail: `NXDOMAIN for ${asked}` }
  if (rcode !== 'NOERROR') return wrong(`${rcode ?? 'no rcode'} for ${asked}`)
  const partial = record.large === true && wire.transport === 'udp'
  if (partial !== truncated) {
    return partial
      ? wrong(`${answers.length} of ${record.answers.length} records over UDP, not marked as truncated`)
      : wrong(`${asked}: ${result.detail ?? 'truncated'}`)
  }
  if (partial || answers.join() === record.answers.join()) return { verdict: 'reached' }
  return wrong(`${asked}: ${listed(answers)}; the API objects say ${listed(record.answers)}`)
}

function judgeFacts(planned: PlannedProbe, facts: Facts, around: Around): Judgement {
  const { probe, inside } = planned
  if (!('inspect' in probe) || inside === undefined)
    return { verdict: 'unknown', detail: 'facts were not asked for' }
  const problem = { ...inspections, ...fromItsNode }[probe.inspect]?.(inside, facts, around)
  return problem === undefined ? { verdict: 'reached' } : problem
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
