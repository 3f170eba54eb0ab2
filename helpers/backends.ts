import type { ServiceProbe } from './check-probes.ts'
import { listed, wrong, type Judgement } from './inspect.ts'

/** How the connections to a Service were spread over its endpoints. Pure. */

/** An endpoint and how many connections it answered. */
export interface Backend {
  name: string
  answers: number
}

/** Returns what is wrong; undefined when it is as it must be. */
type Rule = (backends: readonly Backend[], total: number) => Judgement | undefined

const rules: Record<ServiceProbe['answeredBy'], Rule> = {
  'any-endpoint': () => undefined,
  'every-endpoint': (backends, total) => {
    const silent = backends.filter(({ answers }) => answers === 0)
    if (silent.length === 0) return undefined
    return wrong(`${total} connections, none answered by ${listed(silent.map(({ name }) => name))}`)
  },
  'one-endpoint': (backends, total) => {
    const met = backends.filter(({ answers }) => answers > 0)
    if (met.length === 1) return undefined
    return wrong(`${total} connections of one client were answered by ${counts(met)}`)
  },
  evenly: (backends, total) => {
    const { least, most } = fairShare(total, backends.length)
    const unfair = backends.filter(({ answers }) => answers < least || answers > most)
    if (unfair.length === 0) return undefined
    return wrong(
      `${total} connections: ${counts(unfair)}; a fair share of ${backends.length} endpoints is ${least} to ${most}`,
    )
  },
}

const counts = (backends: readonly Backend[]): string =>
  listed(backends.map(({ name, answers }) => `${name} (${answers})`))

/** What is wrong with who answered the connections to a Service; all of them were answered. */
export function backendsProblem(
  answeredBy: ServiceProbe['answeredBy'],
  backends: readonly Backend[],
  total: number,
): Judgement | undefined {
  if (answeredBy === 'any-endpoint') return undefined
  if (backends.length === 0)
    return { verdict: 'unknown', detail: 'the Service has no ready fixture endpoint' }
  return rules[answeredBy](backends, total)
}

/** A fair proxy is called unfair once in so many probes. */
const falseAlarm = 1e-9

/**
 * The fewest and the most connections that each of `endpoints` gets of `total` when each connection goes to any of them
 * with the same probability: by the Chernoff bound `P(share >= q) <= exp(-total * KL(q || 1/endpoints))`, and likewise
 * below, over both sides of all endpoints. 256 connections to 4 endpoints: 22 to 113.
 */
export function fairShare(total: number, endpoints: number): { least: number; most: number } {
  const fair = 1 / endpoints
  const limit = Math.log((2 * endpoints) / falseAlarm)
  const isFair = (count: number): boolean => total * divergence(count / total, fair) <= limit
  const shares = Array.from({ length: total + 1 }, (_, count) => count).filter(isFair)
  return { least: shares[0] ?? 0, most: shares.at(-1) ?? total }
}

/** Kullback-Leibler divergence of two biased coins, in nats. */
function divergence(q: number, p: number): number {
  const term = (a: number, b: number): number => (a === 0 ? 0 : b === 0 ? Infinity : a * Math.log(a / b))
  return term(q, p) + term(1 - q, 1 - p)
}
