import type { WireResult } from './agent/protocol.ts'
import { listed, wrong, type Judgement } from './inspect.ts'
import type { PlannedProbe } from './plan/planned.ts'

/** What a node says to a load balancer, held against the endpoints that it has. Pure. Part of helpers/verdict.ts. */
export function judgeHealth({ health, to }: PlannedProbe, { status }: WireResult): Judgement {
  if (health === undefined) return { verdict: 'unknown', detail: 'a connection to no target' }
  if (status === undefined) return { verdict: 'unknown', detail: 'the agent did not say which status it got' }
  const { endpoints } = health
  const there =
    endpoints.length === 0
      ? `${to.node} has no ready endpoint of ${to.name}`
      : `${listed(endpoints)} ${endpoints.length > 1 ? 'are' : 'is'} Ready on ${to.node}`
  return status === health.status
    ? { verdict: 'reached', detail: `HTTP ${status}: ${there}` }
    : wrong(`HTTP ${status} instead of ${health.status}: ${there}`)
}
