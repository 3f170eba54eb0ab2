import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { captureLimits } from '../budgets.ts'
import { isLight, type Check } from '../check.ts'
import { messageOf } from '../errors.ts'
import type { Observation, Outcome } from '../observation.ts'
import { makePlan } from '../plan/plan.ts'
import type { PlannedProbe } from '../plan/planned.ts'
import { observe, type Replies } from '../verdict.ts'
import type { World } from '../world.ts'
import type { Captured, CaptureRequest, StartCapture } from './captured.ts'
import {
  conclusionOf,
  directionOf,
  sightsOf,
  withOwnAddresses,
  type CapturePair,
  type Sights,
} from './journey.ts'
import { pairOf, type AskedPair } from './pairs.ts'
import { pcapng } from './pcapng.ts'
import { captureText, placeName } from './rendering.ts'

/** What packets are captured with. */
export interface CaptureSource {
  world: World
  /** Asks probes, all at once. */
  ask: (probes: PlannedProbe[]) => Promise<Replies>
  /** Absent where the nodes are not ours. */
  start?: StartCapture
}

/** What captures say of failed checks. */
export interface Captures {
  /** Of each check that a capture says something about: where its packets were seen last, in one line. */
  conclusions: ReadonlyMap<string, string>
  /** Of each failed check what goes into its folder. */
  files: ReadonlyMap<string, { text: string; pcapng?: Buffer }>
}

/**
 * Asks the first few failed paths once more, and writes down on the nodes of both ends which packets pass meanwhile. Never
 * throws: what cannot be captured is said.
 *
 * @param failed outcomes of checks among `checks`
 */
export async function capturePaths(
  source: CaptureSource,
  checks: readonly Check[],
  failed: readonly Outcome[],
): Promise<Captures> {
  const { start } = source
  const without = (why: (outcome: Outcome) => string): Captures => ({
    conclusions: new Map(),
    files: new Map(failed.map((each) => [each.check, { text: `no capture: ${why(each)}\n` }])),
  })
  if (start === undefined) return without(() => noAccess)
  try {
    const { conclusions, files } = await captureAll(
      { ...source, start },
      pairsOf(checks, failed, source.world),
    )
    const others = without(({ steps }) => (steps === undefined ? otherPath : stepsGone))
    return { conclusions, files: new Map([...others.files, ...files]) }
  } catch (error) {
    return without(() => messageOf(error))
  }
}

const noAccess = 'this run has no access to the nodes of the cluster'
const otherPath =
  'only paths between pods, nodes, Services and DNS servers are captured, of checks that ask for little'
const stepsGone = 'what the check had set up is gone by now'

async function captureAll(
  { world, ask, start }: Required<CaptureSource>,
  all: readonly FailedPair[],
): Promise<Captures> {
  const distinct = chosenOf(all)
  if (distinct.length === 0) return { conclusions: new Map(), files: new Map() }
  const probes = distinct.map(({ planned }) => planned)
  const [captured, replies] = await capturing(start, distinct, () => ask(probes))
  const sights = sightsOf(captured, new Map(world.nodes.map(({ name, address }) => [name, address])))
  return told(all, new Map(distinct.map((each) => [each.key, toldOf(each, sights, replies, world)])))
}

/** The first paths of each topic in turn, each once: the pods of one topic would leave no room for Services and DNS. */
function chosenOf(all: readonly FailedPair[]): FailedPair[] {
  const distinct = [...Map.groupBy(all, ({ key }) => key).values()].flatMap(([first]) => first ?? [])
  const topics = Map.groupBy(distinct, ({ check }) => check.slice(0, check.indexOf('/')))
  return [...topics.values()]
    .flatMap((pairs) => pairs.map((pair, turn) => ({ pair, turn })))
    .toSorted((a, b) => a.turn - b.turn)
    .slice(0, captureLimits.pairs)
    .map(({ pair }) => pair)
}

/** A failed path of a check. */
interface FailedPair extends AskedPair {
  check: string
}

/** The failed paths that can be asked once more as they are: of checks that change nothing and ask for little. */
function pairsOf(checks: readonly Check[], failed: readonly Outcome[], world: World): FailedPair[] {
  const off = new Map(
    failed.map(({ check, observations }) => [
      check,
      observations.filter(({ verdict, expected }) => verdict !== expected),
    ]),
  )
  const again = checks.filter((check) => off.has(check.id) && isLight(check) && check.targets === undefined)
  return makePlan(again, world).probes.flatMap((planned) => {
    const { id } = planned.check
    const isOff = (off.get(id) ?? []).some((each) => isOf(each, planned))
    const pair = isOff ? pairOf(planned, world) : undefined
    return pair === undefined ? [] : [{ ...pair, check: id }]
  })
}

const isOf = ({ from, to }: Observation, planned: PlannedProbe): boolean =>
  from.name === planned.from.fullName && to.name === planned.to.name && to.node === planned.to.node

/** Under which addresses packets of a pair go; those of a node are not known beforehand. */
function addressPairs({ client, asked, ends, alsoKnownAs }: CapturePair): [string, string][] {
  const them = [...new Set([...asked.ips, ...ends.flatMap(({ ips }) => ips)])]
  if (client.isNode === true) return them.map((ip) => [ip, ip])
  return [...client.ips, ...alsoKnownAs].flatMap((one) =>
    them
      .filter((other) => other !== one && other.includes(':') === one.includes(':'))
      .map((other): [string, string] => [one, other]),
  )
}

/** Listens on every node that may see the packets, asks, and stops listening. */
async function capturing(
  start: StartCapture,
  pairs: readonly AskedPair[],
  ask: () => Promise<Replies>,
): Promise<[Captured[], Replies]> {
  const ends = pairs.flatMap(({ pair: { client, ends } }) => [client, ...ends])
  const nodes = [...new Set(ends.map(({ node }) => node))]
  const request: CaptureRequest = {
    addresses: [
      ...new Set([...ends.flatMap(({ ips }) => ips), ...pairs.flatMap(({ nodeAddresses }) => nodeAddresses)]),
    ],
    pairs: pairs.flatMap(({ pair }) => addressPairs(pair)),
  }
  const started = await Promise.allSettled(nodes.map((node) => start(node, request)))
  const running = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
  const refused = started.find((each) => each.status === 'rejected')
  try {
    if (refused !== undefined) throw refused.reason
    const replies = await ask()
    return [await Promise.all(running.map((each) => each.stop())), replies]
  } finally {
    await Promise.allSettled(running.map((each) => each.stop()))
  }
}

/** What a capture says of one pair. */
interface Told {
  conclusion: string
  text: string
  pcapng: Buffer
  /** The check in whose folder it is. */
  check: string
}

function toldOf(
  { pair: asked, planned, check }: FailedPair,
  sights: Sights,
  replies: Replies,
  world: World,
): Told {
  const pair = withOwnAddresses(asked, sights)
  const { verdict, expected } = observe(planned, replies, world)
  const again = verdict === expected ? `asked once more, it was ${verdict}: ` : ''
  const conclusion = `${again}${conclusionOf(pair, sights)}`
  const packets = sights.sights.filter(({ packet }) => directionOf(pair, packet) !== undefined)
  return {
    conclusion,
    text: captureText(pair, sights, conclusion),
    pcapng: pcapng(packets, placeName(pair, sights)),
    check,
  }
}

/** Each check with a captured path has the capture, or is told where it is. */
function told(all: readonly FailedPair[], byKey: ReadonlyMap<string, Told>): Captures {
  const conclusions = new Map<string, string>()
  const files = new Map<string, { text: string; pcapng?: Buffer }>()
  for (const { check, key } of all) {
    const found = byKey.get(key)
    if (found === undefined || conclusions.has(check)) continue
    conclusions.set(check, found.conclusion)
    const { text, pcapng: bytes } = found
    const elsewhere = `${found.conclusion}\nThe same path was captured for ${found.check}: see ../${found.check.replaceAll('/', '.')}/capture.txt\n`
    files.set(check, found.check === check ? { text, pcapng: bytes } : { text: elsewhere })
  }
  const limit = `no capture: only the first ${captureLimits.pairs} paths are captured\n`
  for (const { check } of all) if (!files.has(check)) files.set(check, { text: limit })
  return { conclusions, files }
}

/** Writes what was captured into the folders of the checks. */
export async function writeCaptures({ files }: Captures, folderOf: (check: string) => string): Promise<void> {
  await Promise.all(
    [...files].map(async ([check, { text, pcapng: bytes }]) => {
      const folder = folderOf(check)
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'capture.txt'), text)
      if (bytes !== undefined) await writeFile(join(folder, 'capture.pcapng'), bytes)
    }),
  )
}
