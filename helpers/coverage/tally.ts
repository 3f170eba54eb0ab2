import { median } from 'simple-statistics'
import type { Check } from '../check.ts'
import type { Observation } from '../observation.ts'
import type { PlannedProbe } from '../plan/planned.ts'
import { rounded } from '../inspect.ts'
import { mostTelling, tell, type Seen } from '../verdict.ts'
import { isOfPairs } from './every-node.ts'
import { brokenPairs, brokenNodes, Census, type Group, type Off } from './explain.ts'

/**
 * What was seen of a check that is asked on every node, in as few observations as tell it: one for all that is as it must
 * be, and one for each node that explains what is not. The verdicts are those of the single probes.
 */

/** All that came of one declared probe. */
interface Asked {
  /** What was seen first. */
  example: Observation
  census: Census
  attempts: number
  asked: number
  answered: number
  latencies: number[]
  off: Off[]
}

/** Takes in what the probes of one check saw, plan by plan. */
export class Tally {
  readonly #ofPairs: boolean
  readonly #probes = new Map<PlannedProbe['probe'], Asked>()

  constructor(check: Check) {
    this.#ofPairs = isOfPairs(check)
  }

  add(planned: PlannedProbe, seen: Seen): void {
    const { probe, from, to } = planned
    let asked = this.#probes.get(probe)
    if (asked === undefined) {
      const none = { attempts: 0, asked: 0, answered: 0, latencies: [], off: [] }
      asked = { example: tell(planned, seen), census: new Census(), ...none }
      this.#probes.set(probe, asked)
    }
    // Of what one node asks somebody else it matters who asked.
    const pair = { from: from.pinnedTo, to: this.#ofPairs ? (to.node ?? '') : from.pinnedTo }
    asked.census.count(pair)
    if (seen.verdict !== seen.expected)
      return void asked.off.push(Object.assign(pair, { seen: tell(planned, seen) }))
    asked.attempts += seen.attempts
    asked.asked += seen.asked
    asked.answered += seen.answered
    if (seen.latencyMs !== undefined) asked.latencies.push(seen.latencyMs)
    return undefined
  }

  observations(): Observation[] {
    return [...this.#probes.values()].flatMap((asked) => {
      // Evidence and ignorance make different outcomes, so no observation is of both.
      const known = asked.off.filter(({ seen }) => seen.verdict !== 'unknown')
      const unknown = asked.off.filter(({ seen }) => seen.verdict === 'unknown')
      const explain = this.#ofPairs ? brokenPairs : brokenNodes
      return [
        ...[...explain(known, asked.census), ...explain(unknown, asked.census)].map((group) =>
          this.#offOf(group, asked),
        ),
        ...(asked.census.total > asked.off.length ? [this.#rightOf(asked)] : []),
      ]
    })
  }

  /** The ends are those of one example, which evidence is collected about. */
  #offOf({ off, text }: Group, asked: Asked): Observation {
    const verdict = mostTelling(off.map(({ seen }) => seen.verdict))
    const example = off.find(({ seen }) => seen.verdict === verdict)?.seen ?? asked.example
    const sum = (of: 'attempts' | 'asked' | 'answered'): number =>
      off.reduce((all, { seen }) => all + seen[of], 0)
    const { latencyMs: _ofOne, ...rest } = example
    return {
      ...rest,
      probe: this.#name(asked),
      attempts: sum('attempts'),
      asked: sum('asked'),
      answered: sum('answered'),
      detail: `${text}; ${example.probe}: ${example.detail ?? example.verdict}`,
    }
  }

  #rightOf(asked: Asked): Observation {
    const { example, census, latencies, off, attempts, answered } = asked
    const nodes = { name: nodesText(census.nodes) }
    const { latencyMs: _ofOne, detail: _none, ...rest } = example
    return {
      ...rest,
      probe: `${this.#ofPairs ? `${census.total - off.length} pairs: ` : ''}${this.#name(asked)}`,
      from: nodes,
      to: this.#ofPairs ? nodes : example.to,
      verdict: example.expected,
      attempts,
      asked: asked.asked,
      answered,
      ...(latencies.length === 0 ? {} : { latencyMs: rounded(median(latencies)) }),
      peers: [],
    }
  }

  #name({ example, census }: Asked): string {
    const { via, protocol, to } = example
    return `${nodesText(census.nodes)} -> ${this.#ofPairs ? 'each other' : to.name} via ${via} over ${protocol}`
  }
}

const nodesText = (count: number): string => `${count} nodes`
