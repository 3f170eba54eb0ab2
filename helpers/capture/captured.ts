import { z } from 'zod'

/** Packets as a node writes them down: the lines of clusters/host/packets/main.go. */

/** Which packets are wanted, and where. */
export interface CaptureRequest {
  /** Network namespaces of pods are found by these. */
  addresses: readonly string[]
  /** A packet counts when it holds both addresses of one of them; they may be the same. */
  pairs: readonly (readonly [string, string])[]
}

/** Where an address is on a node: in which network namespace ("node" is its own), on which interface. */
const placeSchema = z.strictObject({ at: z.string(), interface: z.string() })
type Place = z.infer<typeof placeSchema>

const packetSchema = z.strictObject({
  /** Microseconds since 1970, by the clock of the kernel that all nodes of a machine share. */
  us: z.int(),
  at: z.string(),
  interface: z.string(),
  /** It left by this interface; otherwise it came by it. */
  out: z.boolean(),
  /** EtherType. */
  protocol: z.int(),
  /** Bytes from its network header. */
  length: z.int(),
  /** The first of these bytes. */
  data: z.base64().transform((text): Buffer => Buffer.from(text, 'base64')),
})

/** A packet, as it passed one interface. */
export type CapturedPacket = z.infer<typeof packetSchema> & { node: string }

const lineSchema = z.union([
  z.strictObject({ ready: z.record(z.string(), placeSchema) }),
  z.strictObject({ end: z.strictObject({ lost: z.int() }) }),
  packetSchema,
])

/** What one node wrote down. */
export interface Captured {
  node: string
  /** Where on it each address is: all of its own, and of the asked ones those that its pods have. */
  places: Readonly<Record<string, Place>>
  packets: readonly CapturedPacket[]
  /** Why packets may be missing: nothing can be concluded from one that is not there. */
  gap?: string
}

/** A capture that goes on until it is stopped. */
export interface RunningCapture {
  stop(): Promise<Captured>
}

/** Starts to write packets down on a node; resolves when it listens. Throws where that cannot be. */
export type StartCapture = (node: string, request: CaptureRequest) => Promise<RunningCapture>

/**
 * Reads what a node has printed.
 *
 * @throws {z.ZodError} when a line is none of the program's
 */
export function readCaptured(node: string, lines: readonly string[]): Captured {
  const read = lines.filter((line) => line !== '').map((line) => lineSchema.parse(JSON.parse(line)))
  const lost = read.flatMap((line) => ('end' in line ? [line.end.lost] : []))[0]
  const gap =
    lost === undefined
      ? `the capture on ${node} broke off`
      : lost > 0
        ? `${lost} packets on ${node} were not written down`
        : undefined
  return {
    node,
    places: Object.assign(
      {},
      ...read.map((line) => ('ready' in line ? line.ready : {})),
    ) as Captured['places'],
    packets: read.flatMap((line) => ('us' in line ? [{ ...line, node }] : [])),
    ...(gap === undefined ? {} : { gap }),
  }
}
