import { rungs, type Rung } from '../helpers/check.ts'
import type { Outcome } from '../helpers/observation.ts'
import type { Diagnosis } from './model.ts'
import { count, listed } from './text.ts'

/** How a rung stands. `unknown`: some of it did not run. `absent`: nothing was asked of it. */
type RungState = 'passed' | 'failed' | 'unknown' | 'absent'

/** One rung of the ladder. */
export interface LadderRung {
  rung: Rung
  passed: number
  failed: number
  /** Neither: unsupported, expected or not run. */
  other: number
  state: RungState
}

/** The rungs in words. */
export const rungNames: Readonly<Record<Rung, string>> = {
  loopback: 'loopback',
  'same-node': 'same node',
  'other-node': 'other node',
  service: 'service',
  dns: 'DNS',
}

/** The rungs of the ladder, lowest first. */
export function ladderOf(outcomes: readonly Outcome[]): LadderRung[] {
  return rungs.map((rung) => {
    const here = outcomes.filter((each) => each.rung === rung)
    const passed = here.filter(({ outcome }) => outcome === 'passed').length
    const failed = here.filter(({ outcome }) => outcome === 'failed').length
    return { rung, passed, failed, other: here.length - passed - failed, state: stateOf(here) }
  })
}

function stateOf(here: readonly Outcome[]): RungState {
  if (here.length === 0) return 'absent'
  if (here.some(({ outcome }) => outcome === 'failed')) return 'failed'
  if (here.some(({ outcome }) => outcome === 'not-run')) return 'unknown'
  return here.some(({ outcome }) => outcome === 'passed') ? 'passed' : 'unknown'
}

/** The likely layer: the first broken rung, in words, with what speaks for it. Undefined when nothing is broken. */
export function diagnose(all: readonly Outcome[]): Diagnosis | undefined {
  // What the explanations say follows from what the product's checks ask; those of a user have ids of any kind.
  const outcomes = all.filter(({ own }) => own !== true)
  const ladder = ladderOf(outcomes)
  const broken = ladder.find(({ state }) => state === 'failed')
  if (broken === undefined) return longPackets(outcomes) ?? translatedAddress(outcomes)
  const seen = new Seen(outcomes, broken.rung)
  return {
    rung: broken.rung,
    text: explanations[broken.rung](seen),
    because: [...seen.because, ...seen.shared(), ...neighbourRungs(ladder, broken)],
  }
}

/** Which checks failed and passed, and the reasons that the explanations find on the way. */
class Seen {
  readonly because: string[] = []
  readonly failedHere: readonly Outcome[]
  readonly #outcomes: readonly Outcome[]

  constructor(outcomes: readonly Outcome[], rung: Rung) {
    this.#outcomes = outcomes
    this.failedHere = outcomes.filter((each) => each.rung === rung && each.outcome === 'failed')
  }

  /** The outcomes of the checks whose id starts so. */
  under(prefix: string): Outcome[] {
    return this.#outcomes.filter(({ check }) => check.startsWith(prefix))
  }

  /** There are checks under the prefix, and all of them ended so. */
  all(prefix: string, outcome: Outcome['outcome']): boolean {
    const found = this.under(prefix)
    return found.length > 0 && found.every((each) => each.outcome === outcome)
  }

  /** Every failed check of the rung has an id that starts so. */
  onlyUnder(prefix: string): boolean {
    return this.failedHere.every(({ check }) => check.startsWith(prefix))
  }

  /** What the broken probes have in common: how they ended, the protocol, the node. */
  shared(): string[] {
    const probes = this.failedHere.flatMap(({ observations }) => observations)
    const broken = probes.filter(({ verdict, expected }) => verdict !== expected)
    const fine = probes.filter(({ verdict, expected }) => verdict === expected)
    const inRung = this.#outcomes.filter(
      ({ rung }) => rung !== undefined && rung === this.failedHere[0]?.rung,
    )
    const reasons: string[] = []
    const verdict = only(broken.map((each) => each.verdict))
    if (verdict !== undefined && broken.length > 1)
      reasons.push(`all ${broken.length} broken probes ended ${verdict}${verdictHints[verdict] ?? ''}`)
    const protocol = only(broken.map((each) => each.protocol))
    const others = inRung
      .flatMap(({ observations }) => observations)
      .filter((each) => each.protocol !== protocol)
    if (protocol !== undefined && others.length > 0 && others.every((each) => each.verdict === each.expected))
      reasons.push(
        `only ${protocol} is broken, ${listed([...new Set(others.map((each) => each.protocol))])} pass`,
      )
    const from = only(broken.map((each) => each.from.node))
    if (from !== undefined && fine.some((each) => each.from.node !== from))
      reasons.push(`every broken probe starts on node ${from}, the same from other nodes pass`)
    const [packets] = this.failedHere.flatMap((each) => each.packets ?? [])
    if (packets !== undefined) reasons.push(packets)
    return reasons
  }
}

/** The value that all share; undefined when there are none or several. */
function only<T>(values: readonly T[]): T | undefined {
  return new Set(values).size === 1 ? values[0] : undefined
}

const verdictHints: Readonly<Record<string, string>> = {
  'timed-out': ': packets vanish without a word',
  refused: ': something on the way answers and says no',
  unreachable: ': somebody on the way knows no route',
  'wrong-peer': ': somebody else answers at that address',
}

const explanations: Readonly<Record<Rung, (seen: Seen) => string>> = {
  loopback: () =>
    "containers of one pod do not reach each other on 127.0.0.1: the pod's own network namespace (is lo up? do the containers share it?), before any CNI data path",
  'same-node': () =>
    'pods do not reach each other even on the same node: the local data path of the CNI (veth, bridge, its rules in iptables or eBPF)',
  'other-node': explainOtherNode,
  service: explainService,
  dns: explainDns,
}

function explainOtherNode(seen: Seen): string {
  const [there] = seen.under('pod-to-pod/cross-node/delivery-there')
  const [back] = seen.under('pod-to-pod/cross-node/delivery-back')
  const works = [there, back].find((each) => each?.outcome === 'passed')
  const lost = [there, back].find((each) => each?.outcome === 'failed')
  if (works !== undefined && lost !== undefined) {
    seen.because.push(`one-way UDP arrives from ${wayOf(works)}, and does not arrive from ${wayOf(lost)}`)
    return `packets from ${wayOf(lost)} are lost, the other direction works: what drops them on the way (a firewall, an ACL, a wrong route or FDB entry on one node)`
  }
  if (works !== undefined && there?.outcome === back?.outcome) {
    return 'one-way UDP between nodes arrives in both directions, yet connections fail: rules for certain protocols (a firewall, conntrack), or the address that the answer comes from'
  }
  return 'pods on the same node reach each other, pods on other nodes do not: the overlay or the routing between nodes (tunnel port blocked, wrong FDB entry or route, MTU, a firewall between the nodes)'
}

function wayOf({ observations: [first] }: Outcome): string {
  return `${first?.from.node ?? 'one node'} to ${first?.to.node ?? 'the other'}`
}

function explainService(seen: Seen): string {
  const someEndpoints = seen.failedHere.every(({ observations }) =>
    observations.every(({ verdict, expected, answered }) => verdict === expected || answered > 0),
  )
  if (someEndpoints) {
    seen.because.push('each broken Service was answered by some of its endpoints')
    return 'Services answer, but not from every endpoint or not every time: the rules for single endpoints (kube-proxy or what stands in for it, stale EndpointSlices)'
  }
  return 'pods reach each other by pod IP, Services do not answer: the Service rules on the nodes (kube-proxy or what stands in for it)'
}

function explainDns(seen: Seen): string {
  if (seen.onlyUnder('service/name/')) {
    seen.because.push('DNS itself answers rightly when asked for full names')
    return "names of Services do not work inside pods: the pods' resolver (resolv.conf, search path, ndots)"
  }
  const direct = 'dns/each-server/'
  if (seen.all(direct, 'passed')) {
    seen.because.push('every CoreDNS pod answers rightly at its own pod IP')
    return 'DNS answers at the CoreDNS pods, but not at the address of the DNS Service: the rules for that Service (kube-proxy or what stands in for it), not CoreDNS'
  }
  const broken = seen.under(direct).flatMap(({ observations }) => observations)
  if (broken.some(({ verdict }) => verdict === 'wrong-answer' || verdict === 'no-such-name'))
    return 'CoreDNS answers, but not what the API says: its records (cluster domain, its watch on the API server), not the network'
  return 'pods and Services answer, DNS does not: CoreDNS itself (not running, not ready, or not to be reached where it runs)'
}

/** What the rungs below and above the broken one say. */
function neighbourRungs(ladder: readonly LadderRung[], broken: LadderRung): string[] {
  const at = ladder.indexOf(broken)
  const named = (part: readonly LadderRung[], state: RungState): string[] =>
    part.filter((each) => each.state === state).map(({ rung }) => rungNames[rung])
  const [below, above] = [ladder.slice(0, at), ladder.slice(at + 1)]
  const reasons: string[] = []
  const say = (names: string[], one: string, many: string): void => {
    if (names.length > 0) reasons.push(`${listed(names)} ${names.length === 1 ? one : many}`)
  }
  say(named(below, 'passed'), 'below it passes', 'below it pass')
  say(
    named(below, 'unknown'),
    'below it is not known: the cause may lie there',
    'below it are not known: the cause may lie there',
  )
  say(named(above, 'passed'), 'above it passes', 'above it pass')
  say(
    named(above, 'failed'),
    'above it fails too, perhaps only as a consequence',
    'above it fail too, perhaps only as a consequence',
  )
  return reasons
}

/** All rungs hold, and stand on small packets. */
function longPackets(outcomes: readonly Outcome[]): Diagnosis | undefined {
  const failed = outcomes.filter(
    ({ check, outcome }) =>
      outcome === 'failed' && /^pod-to-pod\/.*\/(large-body|long-datagram)$/.test(check),
  )
  if (failed.length === 0) return undefined
  const sameNode = failed.some(({ check }) => check.includes('/same-node/'))
  return {
    rung: sameNode ? 'same-node' : 'other-node',
    text: `small packets pass between pods ${sameNode ? 'of one node' : 'of different nodes'}, long ones do not: an MTU that is smaller on the way than on the pods' interfaces, and nobody who says so (ICMP "fragmentation needed" is filtered), or offloading that breaks long packets`,
    because: ['every rung of the ladder holds', `failed: ${listed(failed.map(({ check }) => check))}`],
  }
}

/** All rungs hold, but pods are seen under another address: NAT, which breaks no connection. */
function translatedAddress(outcomes: readonly Outcome[]): Diagnosis | undefined {
  const failed = outcomes.filter(
    ({ check, outcome }) => outcome === 'failed' && /^pod-to-pod\/.*\/source-address$/.test(check),
  )
  if (failed.length === 0) return undefined
  const sameNode = failed.some(({ check }) => check.includes('/same-node/'))
  return {
    rung: sameNode ? 'same-node' : 'other-node',
    text: "pods reach each other, but are not seen under their own IP: something translates addresses between pods (a MASQUERADE rule, the CNI's outgoing NAT that does not spare the pod CIDR)",
    because: [
      'every rung of the ladder holds',
      `${count(failed.length, 'check')} of the source address failed`,
    ],
  }
}
