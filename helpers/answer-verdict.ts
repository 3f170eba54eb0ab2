import type { Facts, Of, WireProbe, WireResult } from './agent/protocol.ts'
import type { OutsideProbe, PathProbe, ServiceProbe } from './check-probes.ts'
import { judgeHealth } from './health-verdict.ts'
import { inspections, listed, sameAddress, starved, wrong, type Around, type Judgement } from './inspect.ts'
import { fromItsNode } from './looks/node-inspect.ts'
import { judgeLookup, judgeOverMtu, judgePathMtu, judgePing, lengthText } from './path-verdict.ts'
import type { PlannedProbe } from './plan/planned.ts'
import type { Party, World } from './world.ts'

/** What one result of an agent says. Pure. Part of helpers/verdict.ts. */

/** The verdict on one wire probe that has a result, whoever else may have been starved or gone. */
export function judgeResult(
  planned: PlannedProbe,
  wire: WireProbe,
  result: WireResult,
  around: Around,
): Judgement {
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
    case 'starved':
      return unasked(result)
  }
}

/** Who could not ask, or not listen, has learnt nothing. */
export const unasked = ({ end, detail, lostMs = 0 }: WireResult): Judgement =>
  end === 'starved'
    ? starved('no answer', 'the agent', `${lostMs} ms`)
    : { verdict: 'unknown', detail: `the agent could not ask${detail === undefined ? '' : ` (${detail})`}` }

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
