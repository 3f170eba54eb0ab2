import type { Captured, CapturedPacket } from './captured.ts'

/** Packets as they are on a wire, for the tests of the pure parts. */

const address = (ip: string): Buffer => Buffer.from(ip.split('.').map(Number))

export interface Ends {
  from: string
  to: string
  fromPort: number
  toPort: number
}

/** An IPv4 packet around what it carries. */
function ipv4(number: number, { from, to }: Pick<Ends, 'from' | 'to'>, inside: Buffer): Buffer {
  const head = Buffer.alloc(12)
  head.writeUInt8(0x45, 0)
  head.writeUInt16BE(20 + inside.length, 2)
  head.writeUInt8(number, 9)
  return Buffer.concat([head, address(from), address(to), inside])
}

/** A TCP packet with nothing in it. */
export function tcp(ends: Ends, flags: number): Buffer {
  const head = Buffer.alloc(20)
  head.writeUInt16BE(ends.fromPort, 0)
  head.writeUInt16BE(ends.toPort, 2)
  head.writeUInt8(flags, 13)
  return ipv4(6, ends, head)
}

/** The packet as Flannel's VXLAN carries it between two nodes. */
export function wrapped(packet: Buffer, ends: Pick<Ends, 'from' | 'to'>): Buffer {
  const head = Buffer.alloc(8 + 8 + 14)
  head.writeUInt16BE(40_000, 0)
  head.writeUInt16BE(8472, 2)
  head.writeUInt16BE(0x0800, 28)
  return ipv4(17, ends, Buffer.concat([head, packet]))
}

/** An ICMP error about a packet. */
export function icmpError(
  ends: Pick<Ends, 'from' | 'to'>,
  about: Buffer,
  [type, code]: [number, number],
): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt8(type, 0)
  head.writeUInt8(code, 1)
  return ipv4(1, ends, Buffer.concat([head, about]))
}

export const nodeAddresses = new Map([
  ['worker', '172.18.0.3'],
  ['worker2', '172.18.0.4'],
])
export const client = { name: 'main/a', node: 'worker', ips: ['10.244.1.10'] }
export const server = { name: 'main/b', node: 'worker2', ips: ['10.244.2.11'] }

const question: Ends = { from: '10.244.1.10', to: '10.244.2.11', fromPort: 40_001, toPort: 8081 }
const answer: Ends = { from: '10.244.2.11', to: '10.244.1.10', fromPort: 8081, toPort: 40_001 }

type Stop = Pick<CapturedPacket, 'node' | 'at' | 'interface' | 'out'> & { wrap?: true }

/** Where a packet passes on its way to a pod of another node. */
const way: readonly Stop[] = [
  { node: 'worker', at: 'ns-a', interface: 'eth0', out: true },
  { node: 'worker', at: 'node', interface: 'veth-a', out: false },
  { node: 'worker', at: 'node', interface: 'flannel.1', out: true },
  { node: 'worker', at: 'node', interface: 'eth0', out: true, wrap: true },
  { node: 'worker2', at: 'node', interface: 'eth0', out: false, wrap: true },
  { node: 'worker2', at: 'node', interface: 'flannel.1', out: false },
  { node: 'worker2', at: 'node', interface: 'veth-b', out: true },
  { node: 'worker2', at: 'ns-b', interface: 'eth0', out: false },
]
const wayBack = way.toReversed().map((stop) => ({ ...stop, out: !stop.out }))

/** Stops on the way there and back. */
export const stops = way.length + wayBack.length

/** What both nodes write down of one connection whose packets are lost behind so many stops. */
export function journey(seen: number, answerFlags = 0x12): Captured[] {
  const [from, to] = [nodeAddresses.get('worker') ?? '', nodeAddresses.get('worker2') ?? '']
  const there = way.map((stop) => ({ stop, packet: tcp(question, 2), outer: { from, to } }))
  const back = wayBack.map((stop) => ({
    stop,
    packet: tcp(answer, answerFlags),
    outer: { from: to, to: from },
  }))
  const packets = [...there, ...back].slice(0, seen).map(({ stop, packet, outer }, index): CapturedPacket => {
    const { wrap, ...where } = stop
    const data = wrap === true ? wrapped(packet, outer) : packet
    return { ...where, us: 1_795_294_756_650_000 + index, protocol: 0x0800, length: data.length, data }
  })
  const places = (node: string, ip: string, at: string) => ({
    [ip]: { at, interface: 'eth0' },
    [nodeAddresses.get(node) ?? '']: { at: 'node', interface: 'eth0' },
  })
  return [
    { node: 'worker', places: places('worker', '10.244.1.10', 'ns-a'), packets: on('worker', packets) },
    { node: 'worker2', places: places('worker2', '10.244.2.11', 'ns-b'), packets: on('worker2', packets) },
  ]
}

const on = (node: string, packets: readonly CapturedPacket[]): CapturedPacket[] =>
  packets.filter((each) => each.node === node)
