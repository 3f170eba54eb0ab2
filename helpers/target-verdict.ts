import type { WireResult } from './agent/protocol.ts'
import { unasked } from './answer-verdict.ts'
import type { Target } from './check-targets.ts'
import type { Judgement } from './inspect.ts'
import type { PlannedProbe } from './plan/planned.ts'
import type { Replies } from './verdict.ts'

/**
 * What an answer, or none, says of a Service or host of the user's. It has no agent: nobody proves who answered, nor
 * that it was alive. So an answer is evidence that something answers at that address, and no more; and silence is
 * evidence of nothing on the way only while another pod of the same check is answered.
 */

/** The verdict on one question to a target. Part of helpers/verdict.ts. */
export function judgeTarget(
  planned: PlannedProbe,
  target: Target,
  result: WireResult,
  replies: Pick<Replies, 'result'>,
): Judgement {
  const said = result.detail === undefined ? '' : ` (${result.detail})`
  const address = result.address ?? planned.to.address?.replace(/:\d+$/, '') ?? ''
  const where = result.phase === undefined ? '' : ` at ${result.phase}`
  switch (result.end) {
    case 'answered':
      return {
        verdict: 'reached',
        detail: `${result.detail ?? 'an answer'} from ${address} port ${target.port}: something answers there; who, a probe without an agent at the other end cannot tell`,
      }
    case 'timeout':
      return judgeSilence(planned, target, result, replies)
    case 'refused':
      return { verdict: 'refused', detail: `refused${where}${said}` }
    case 'unreachable':
      return { verdict: 'unreachable', detail: `unreachable${where}${said}` }
    case 'no-such-name':
      return { verdict: 'no-such-name', detail: `the name did not resolve${said}` }
    case 'bad-answer':
      return { verdict: 'wrong-answer', detail: `connected, and got no answer in ${target.protocol}${said}` }
    // No target is asked for a certificate.
    case 'untrusted':
    case 'sent':
    case 'in-use':
    case 'local-error':
    case 'starved':
      return unasked(result)
  }
}

function judgeSilence(
  planned: PlannedProbe,
  { protocol }: Target,
  result: WireResult,
  replies: Pick<Replies, 'result'>,
): Judgement {
  const said = result.detail === undefined ? '' : ` (${result.detail})`
  const [ms] = planned.questions.map(({ wire }) => wire.timeoutMs)
  const silence = `no answer in ${ms} ms at ${result.phase ?? 'connect'}${said}`
  const denied = planned.probe.expect === 'timed-out'
  // Whoever expects that the target is silent has learnt nothing of it from a resolver that is.
  if (result.phase === 'resolve')
    return {
      verdict: denied ? 'unknown' : 'timed-out',
      detail: `${silence}: the target itself was never asked`,
    }
  if (result.phase === 'answer' && protocol !== 'udp')
    return { verdict: 'wrong-answer', detail: `connected, then ${silence}` }
  const others = planned.controls ?? []
  if (others.some(({ agent, wire }) => replies.result(agent, wire.id)?.end === 'answered'))
    return { verdict: 'timed-out', detail: `${silence}, while another pod of this check was answered` }
  // A UDP service need not answer what it does not understand; and a deny is only one where there is something to deny.
  if (denied || protocol === 'udp')
    return {
      verdict: 'unknown',
      detail: `${silence}, and no other pod was answered: silence proves nothing by itself`,
    }
  return { verdict: 'timed-out', detail: `${silence}; no other pod of this check was answered there either` }
}
