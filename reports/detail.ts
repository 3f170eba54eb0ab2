import { join } from 'node:path'
import { median } from 'simple-statistics'
import type { End, Observation, Outcome } from '../helpers/observation.ts'
import { count, duration, glued, oneLine, unglued } from './text.ts'

/** One line of the details of a check: what it is about, and the words: plain, on one line, some of them glued. */
export interface Detail {
  label: string
  text: string
}

/** Broken probes shown per check; run.json has them all. */
const shownProbes = 4
/** Neighbouring checks shown per check. */
const shownNeighbours = 4

/** One character for each outcome, the same in every report. */
export const marks: Readonly<Record<Outcome['outcome'], string>> = {
  passed: '✓',
  failed: '✗',
  unsupported: '-',
  expected: '~',
  'not-run': '!',
}

/** Stands beside the checks of the user's: no fault has shown that they can turn red. */
export const ownMark = 'own'

/** Level of a check, whose it is, and what it covers. */
export const aboutText = ({ level, own, covers }: Outcome): string =>
  [
    level,
    ...(own === true ? [`${ownMark} check`] : []),
    ...(covers.length === 0 ? [] : [`covers ${covers.join(' ')}`]),
  ].join(', ')

/**
 * Everything a person wants to know about a check that did not pass: both ends of each broken path, what was seen,
 * how often, how long, how its neighbours fared, where the evidence lies.
 *
 * @param all the outcomes of the leg, for the neighbours
 * @param folder put before the folder of evidence, which is relative to the reports
 */
export function detailsIn(all: readonly Outcome[], folder = ''): (outcome: Outcome) => Detail[] {
  const neighbours = neighboursIn(all)
  return (outcome) => {
    const { observations, evidence } = outcome
    const details: Detail[] = [
      { label: 'must', text: oneLine(outcome.requirement) },
      ...brokenProbes(outcome),
    ]
    if (observations.length > 0) {
      const fine = observations.filter(({ verdict, expected }) => verdict === expected).length
      details.push({
        label: 'how much',
        text: `${fine} of ${observations.length} probes as expected; the check took ${duration(outcome.durationMs)}`,
      })
    }
    if (outcome.packets !== undefined) details.push({ label: 'packets', text: oneLine(outcome.packets) })
    if (outcome.measurements !== undefined) {
      const measured = outcome.measurements.map(({ name, ms }) => `${oneLine(name)} ${duration(ms)}`)
      details.push({ label: 'measured', text: measured.join(', ') })
    }
    // Beside a check that did not run there is nothing to compare.
    const beside = observations.length > 0 ? neighbours(outcome) : []
    if (beside.length > 0) {
      const named = beside.map((each) => glued(`${marks[each.outcome]} ${oneLine(each.check)}`))
      details.push({ label: 'beside it', text: named.join(', ') })
    }
    if (evidence !== undefined) details.push({ label: 'evidence', text: oneLine(join(folder, evidence)) })
    return details
  }
}

/** {@link detailsIn} as lines of plain text. */
export function detailTextIn(all: readonly Outcome[]): (outcome: Outcome) => string {
  const details = detailsIn(all)
  return (outcome) =>
    details(outcome)
      .map(({ label, text }) => unglued(`${label.padEnd(10)}${text}`))
      .join('\n')
}

function brokenProbes({ observations, reason }: Outcome): Detail[] {
  const broken = observations.filter(({ verdict, expected }) => verdict !== expected)
  // The reason repeats the first broken probe; without one it is all there is.
  if (broken.length === 0) return reason === undefined ? [] : [{ label: 'why', text: oneLine(reason) }]
  const details = broken.slice(0, shownProbes).flatMap(probeDetails)
  const more = broken.length - shownProbes
  return more > 0
    ? [...details, { label: '', text: `and ${count(more, 'more broken probe')}, see run.json` }]
    : details
}

function probeDetails(observation: Observation): Detail[] {
  const { from, to, via, protocol, verdict, expected, asked, answered, attempts, peers, detail } = observation
  // What is looked at inside a pod has no way to go, and nobody to answer.
  const inside = protocol === 'none'
  const ways = inside
    ? oneLine(observation.probe)
    : `${endText(from)} → ${endText(to)}, ${via} over ${protocol}`
  const often = inside ? '' : `; ${answered} of ${asked} answered, ${attempts} sent`
  const words = detail === undefined ? '' : `: ${oneLine(detail)}`
  const when = observation.step === undefined ? '' : `${oneLine(observation.step)}: `
  const details: Detail[] = [
    { label: inside ? 'look' : 'path', text: inside ? `${ways}: ${endText(from)}` : oneLine(ways) },
    { label: 'seen', text: `${when}${verdict}, expected ${expected}${words}${often}` },
  ]
  if (peers.length > 0) {
    const named = peers.map(
      (peer) => `${peer.pod} on ${peer.node} (${peer.answers}×, saw ${peer.saw.join(', ')})`,
    )
    details.push({ label: 'answered', text: oneLine(named.join(', ')) })
  }
  return details
}

/** `cni-conformance/worker1-a on flannel-worker (10.244.1.3)`; a node is on no other. */
function endText({ name, node, address }: End): string {
  return oneLine(
    `${name}${node === undefined || node === name ? '' : ` on ${node}`}${address === undefined || address === name ? '' : ` (${address})`}`,
  )
}

/** Checks that differ in one thing only: the same protocol over another way first, then another over the same way. */
function neighboursIn(all: readonly Outcome[]): (outcome: Outcome) => Outcome[] {
  // Grouped once: asked for each failed check, over all checks.
  const byWay = Map.groupBy(all, ({ check }) => splitId(check)[0])
  const byWhat = Map.groupBy(all, ({ check }) => splitId(check)[1])
  return ({ check }) => {
    const [way, what] = splitId(check)
    const others = (group: readonly Outcome[] = []): Outcome[] =>
      group.filter((each) => each.check !== check && each.outcome !== 'unsupported')
    return [...others(byWhat.get(what)).slice(0, shownNeighbours / 2), ...others(byWay.get(way))].slice(
      0,
      shownNeighbours,
    )
  }
}

/** The way and the last segment: `pod-to-pod/cross-node` and `tcp`. */
export function splitId(id: string): [way: string, what: string] {
  const at = id.lastIndexOf('/')
  return at < 0 ? ['', id] : [id.slice(0, at), id.slice(at + 1)]
}

/** Median round trip of a check's answers in milliseconds. */
export function latencyOf({ observations }: Outcome): number | undefined {
  const latencies = observations.flatMap(({ latencyMs }) => latencyMs ?? [])
  return latencies.length === 0 ? undefined : median(latencies)
}

/** How often probes that should be answered had to be sent again; 0 in good health. A deny is asked to its end. */
export function resentOf({ observations }: Outcome): number {
  return observations
    .filter(({ expected }) => expected === 'reached')
    .reduce((sum, { attempts, asked }) => sum + Math.max(0, attempts - asked), 0)
}
