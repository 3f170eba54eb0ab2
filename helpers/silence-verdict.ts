import type { Judgement } from './inspect.ts'
import type { Planned, PlannedProbe } from './plan/planned.ts'
import type { Replies } from './verdict.ts'

/**
 * What silence says where nobody may answer. It is evidence only beside an answer that came the same way at the same
 * time: else the client, the node or the network between them may be what is silent. Part of helpers/verdict.ts.
 */

/** The same judgement; `unknown` where it is a silence that nothing bears out. */
export function unlessUncontrolled(
  { controls, probe, questions }: PlannedProbe,
  judgement: Judgement,
  replies: Pick<Replies, 'result'>,
): Judgement {
  if (controls === undefined || probe.expect !== 'timed-out' || judgement.verdict !== 'timed-out')
    return judgement
  const waitedMs = Math.min(...questions.map(({ wire }) => wire.timeoutMs))
  if (controls.some((control) => isAnswered(control, waitedMs, replies))) return judgement
  return {
    verdict: 'unknown',
    detail: `${judgement.detail ?? 'silence'}, and no other port of that node answered within that time: silence proves nothing by itself`,
  }
}

/** Has it been answered in no more time than the silence lasted? */
function isAnswered(
  { agent, wire }: Planned,
  waitedMs: number,
  { result }: Pick<Replies, 'result'>,
): boolean {
  const answer = result(agent, wire.id)
  return answer?.end === 'answered' && answer.ms <= waitedMs
}
