import { captureLimits } from '../budgets.ts'
import type { CapturedPacket } from './captured.ts'
import { directionOf, type CapturePair, type Sight, type Sights } from './journey.ts'

/** Lines of one file; the rest is in the capture beside it. */
const shownSights = 400

/** Where a packet was seen: on a node, or in a pod on it. */
export function placeName(
  pair: CapturePair,
  { places }: Pick<Sights, 'places'>,
): (seen: CapturedPacket) => string {
  const ends = [pair.client, ...pair.ends]
  return ({ node, at, interface: name }) => {
    const pod = ends.find((end) => end.node === node && end.ips.some((ip) => places(node, ip)?.at === at))
    return `${at === 'node' ? node : (pod?.name ?? `${node} ${at}`)} ${name}`
  }
}

/** What was seen of a pair, packet by packet, for people. Pure. */
export function captureText(pair: CapturePair, all: Sights, conclusion: string): string {
  const sights = all.sights.filter(({ packet }) => directionOf(pair, packet) !== undefined)
  const name = placeName(pair, all)
  const [first] = sights
  const lines = sights
    .slice(0, shownSights)
    .map(
      (sight) =>
        `${after(sight, first)}  ${name(sight).padEnd(50)} ${sight.out ? 'out' : 'in '}  ${packetText(sight)}`,
    )
  const more = sights.length - lines.length
  return [
    `${pair.client.name} (${pair.client.ips.join()}) on ${pair.client.node} asked ${pair.asked.name} (${pair.asked.ips.join()}) once more.`,
    conclusion,
    '',
    `Every packet that holds an address of each, wrapped ones too, where it passed: ${sights.length}.`,
    `Of each the first ${captureLimits.bytesPerPacket} bytes are in capture.pcapng: our own questions, nothing of others.`,
    ...(all.gap === undefined ? [] : [`Not whole: ${all.gap}.`]),
    '',
    ...lines,
    ...(more > 0 ? [`and ${more} more, see capture.pcapng`] : []),
    '',
  ].join('\n')
}

const after = ({ us }: Sight, first: Sight | undefined): string =>
  `+${((us - (first?.us ?? us)) / 1000).toFixed(3).padStart(9)} ms`

function packetText({ packet, length }: Sight): string {
  const { from, to, fromPort, toPort, protocol, says, within } = packet
  const port = (ip: string, number: number | undefined): string =>
    number === undefined ? ip : `${ip.includes(':') ? `[${ip}]` : ip}:${number}`
  const wrapped = within === undefined ? '' : `, within ${within.from} -> ${within.to}`
  return `${protocol} ${port(from, fromPort)} -> ${port(to, toPort)} ${says}${says === '' ? '' : ', '}${length} bytes${wrapped}`
}
