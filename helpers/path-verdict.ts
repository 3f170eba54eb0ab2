import { median } from 'simple-statistics'
import { resendShare, type Of, type WireResult } from './agent/protocol.ts'
import type { PathProbe } from './check-probes.ts'
import { listed, rounded, sameAddress, starved, wrong, type Judgement } from './inspect.ts'
import type { Planned, PlannedProbe } from './plan/planned.ts'

/** Verdicts on what the tools container and the resolver of a pod saw. Pure; see verdict.ts, which asks for them. */

/** An echo reply has no identity: all that it proves is that somebody answers at the address that was asked. */
export function judgePing(planned: PlannedProbe, { host }: Of<'ping'>, result: WireResult): Judgement {
  const { replies = [] } = result
  const right = replies.filter(({ from }) => sameAddress(from, host))
  if (right.length > 0) return { verdict: 'reached' }
  const others = [...new Set(replies.map(({ from }) => from))]
  if (others.length === 0) return { verdict: 'unknown', detail: 'an answer without a reply' }
  return { verdict: 'wrong-peer', detail: `${planned.to.address} was asked, ${listed(others)} replied` }
}

/** The receiver says beside it what arrived. */
export function judgePathMtu({ path }: WireResult): Judgement {
  if (path === undefined)
    return { verdict: 'unknown', detail: 'the agent did not say how long the packets were' }
  const { interfaceMtu, mtu, told } = path
  const sent = `packets of ${mtu} bytes were sent, the interface has an MTU of ${interfaceMtu}`
  if (told === undefined) return { verdict: 'reached', detail: sent }
  return wrong(
    `a router on the path takes ${told} bytes at most, so longer packets travel in pieces: ${sent}`,
  )
}

/** The kernel of the sender says by itself what it does with a packet that is too long. */
export function judgeOverMtu({ path }: WireResult): Judgement {
  if (path?.oversize === undefined)
    return { verdict: 'unknown', detail: 'the agent did not say what became of the packet' }
  const { interfaceMtu, mtu, oversize } = path
  const limits = `the interface has an MTU of ${interfaceMtu}, the kernel takes the path to be ${mtu}`
  const packet = `a packet of ${oversize.bytes} bytes that nobody may cut`
  return oversize.refused
    ? { verdict: 'refused', detail: `the sender's kernel refused ${packet} (message too long): ${limits}` }
    : wrong(`${packet} was sent, which is one byte too long: ${limits}`)
}

/** The addresses that the resolver of a pod found, held against those of the API. */
export function judgeLookup({ record }: PlannedProbe, { answers = [] }: WireResult): Judgement {
  if (record === undefined) return { verdict: 'unknown', detail: 'nobody wanted that name' }
  if (answers.join() === record.answers.join()) return { verdict: 'reached' }
  return wrong(`${record.name}: ${listed(answers)}; the API objects say ${listed(record.answers)}`)
}

/**
 * The median of the times that answers took, from the first time that each was asked for; undefined without a limit. Above
 * it, nothing is known where the answers would be in time but for what the asking agent could not run.
 */
export function judgeLatency(
  { probe, questions }: PlannedProbe,
  resultOf: (question: Planned) => WireResult | undefined,
): Judgement | undefined {
  if (!('resolve' in probe) || probe.withinMs === undefined) return undefined
  const times = questions.flatMap((question) => {
    const result = resultOf(question)
    if (result === undefined) return []
    const { ms, attempts, lostMs = 0 } = result
    const passedMs = ms + (attempts - 1) * question.wire.timeoutMs * resendShare
    return [{ passedMs, awakeMs: passedMs - lostMs }]
  })
  if (times.length === 0) return undefined
  const middle = rounded(median(times.map(({ passedMs }) => passedMs)))
  const detail = `${times.length} answers, half of them within ${middle} ms`
  if (middle <= probe.withinMs) return { verdict: probe.expect, detail }
  const late = `${detail} instead of ${probe.withinMs} ms`
  const awake = rounded(median(times.map(({ awakeMs }) => awakeMs)))
  return awake <= probe.withinMs
    ? starved(late, 'the agent', `all but ${awake} ms of it`)
    : { verdict: 'timed-out', detail: late }
}

/** How long the datagrams were, where they were not short. */
export const lengthText = ({ probe }: PlannedProbe): string =>
  'size' in probe ? lengthTexts[probe.size] : ''

const lengthTexts: Record<PathProbe['size'], string> = {
  small: '',
  mtu: " as long as the MTU of the sender's interface",
  'path-mtu': " as long as the sender's kernel takes the path to be",
  'over-mtu': ' one byte too long',
  'twice-mtu': " twice as long as the MTU of the sender's interface, sent in pieces,",
}
