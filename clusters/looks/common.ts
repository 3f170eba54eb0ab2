import { z } from 'zod'
import type { LookContext, OtherNode, Read } from '../../helpers/looks/network-look.ts'
import { outputOf, type Said } from '../../helpers/nodes.ts'
import type { WorldNode } from '../../helpers/world.ts'

/** What the looks of clusters/looks have in common. */

/** Seconds that an agent may take to say how it is. */
const healthSeconds = '2'

/** Asks for a page on the node's own loopback, or through a socket. */
export const curl = (url: string, ...flags: string[]): readonly string[] => [
  'curl',
  '--silent',
  '--show-error',
  '--fail',
  '--max-time',
  healthSeconds,
  ...flags,
  url,
]

/** Exit codes with which curl says that whom it asked refused, answered with an error, was silent or hung up. */
const notWell: ReadonlySet<number> = new Set([7, 22, 28, 52, 56])

/** What the answer to {@link curl} says of whom it asked; nothing where curl itself could not ask. */
export function healthIn(said: Said): Read<{ ok: boolean; says: string }> {
  if (said.exitCode === 0) return { value: { ok: true, says: said.stdout.trim() } }
  return notWell.has(said.exitCode)
    ? { value: { ok: false, says: said.stderr.trim() } }
    : { unread: said.stderr.trim() || `curl ended with exit code ${said.exitCode}` }
}

const fdbSchema = z.array(z.looseObject({ mac: z.string(), dst: z.string().optional() }))
const neighboursSchema = z.array(z.looseObject({ dst: z.string(), lladdr: z.string().optional() }))

/** Prints behind which node each tunnel end is. */
export const showFdb = (device: string): readonly string[] => [
  'bridge',
  '-json',
  'fdb',
  'show',
  'dev',
  device,
]

/** Prints the hardware addresses of the tunnel ends. */
export const showNeighbours = (device: string): readonly string[] => [
  'ip',
  '-json',
  'neigh',
  'show',
  'dev',
  device,
]

/** One end of a VXLAN, as the others must know it. */
export interface TunnelEnd {
  /** Its address within the tunnel. */
  inside: string
  /** Its hardware address, where somebody has announced it; else that of the neighbour entry counts. */
  mac?: string | undefined
}

/** What a node lacks to wrap packets for another one. */
export function missingInTunnel(
  device: string,
  other: WorldNode,
  { inside, mac }: TunnelEnd,
  { fdb, neighbours }: { fdb: Said; neighbours: Said },
): string[] {
  const entries = fdbSchema.parse(JSON.parse(outputOf(fdb)))
  const neighbour = neighboursSchema.parse(JSON.parse(outputOf(neighbours))).find(({ dst }) => dst === inside)
  const wanted = (mac ?? neighbour?.lladdr)?.toLowerCase()
  const known = entries.filter(({ dst }) => dst === other.address).map((entry) => entry.mac.toLowerCase())
  const missing: string[] = []
  if (known.length === 0) missing.push(`no FDB entry for ${other.name} (${other.address}) on ${device}`)
  else if (wanted !== undefined && !known.includes(wanted))
    missing.push(
      `FDB has ${known.join(', ')} for ${other.name} (${other.address}) on ${device}, not ${wanted}`,
    )
  if (neighbour?.lladdr === undefined)
    missing.push(`no neighbour entry for ${inside} of ${other.name} on ${device}`)
  else if (neighbour.lladdr.toLowerCase() !== wanted)
    missing.push(
      `neighbour entry of ${inside} on ${device} is ${neighbour.lladdr}, ${other.name} says ${wanted}`,
    )
  return missing
}

/** What a node lacks of each of the others. */
export const othersOf = (
  { nodes }: LookContext,
  self: WorldNode,
  missingOf: (other: WorldNode) => readonly string[],
): OtherNode[] =>
  nodes
    .filter(({ name }) => name !== self.name)
    .map((other) => ({ name: other.name, missing: missingOf(other) }))

/** An address range as it is written where its first address is meant: 10.244.1.1/24 is of 10.244.1.0/24. */
export const withoutPrefix = (address: string): string => address.replace(/\/\d+$/, '')
