import { Address6 } from 'ip-address'

/** Reads the beginning of a packet, past whatever it is wrapped in. Pure; what is cut off or unknown gives undefined. */

/** What a packet says of itself. */
export interface Packet {
  from: string
  to: string
  /** "TCP", "UDP", "ICMP", "ARP", or the number of another one. */
  protocol: string
  fromPort?: number
  toPort?: number
  /** Of TCP: "SYN", "SYN ACK", "RST"; of ICMP and ARP what they say. */
  says: string
  /** The packet that an ICMP error is about. */
  about?: Packet
  /** Addresses of the packet that this one travels in: those of the nodes. */
  within?: { from: string; to: string }
}

const etherTypes = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const

/** Reads what follows the header of a link. */
export function readPacket(protocol: number, data: Buffer): Packet | undefined {
  try {
    if (protocol === etherTypes.ipv4) return readIpv4(data)
    if (protocol === etherTypes.ipv6) return readIpv6(data)
    return protocol === etherTypes.arp ? readArp(data) : undefined
  } catch (error) {
    // Cut off in the middle of a header.
    if (error instanceof RangeError) return undefined
    throw error
  }
}

const ipv4 = (data: Buffer, at: number): string => {
  if (data.length < at + 4) throw new RangeError('cut off')
  return data.subarray(at, at + 4).join('.')
}

function ipv6(data: Buffer, at: number): string {
  if (data.length < at + 16) throw new RangeError('cut off')
  return Address6.fromUnsignedByteArray([...data.subarray(at, at + 16)]).correctForm()
}

const readIpv4 = (data: Buffer): Packet | undefined => {
  const ends = { from: ipv4(data, 12), to: ipv4(data, 16) }
  // Later fragments have no header of their own.
  if ((data.readUInt16BE(6) & 0x1fff) > 0) return { ...ends, protocol: 'fragment', says: '' }
  return readTransport(data.readUInt8(9), ends, data.subarray((data.readUInt8(0) & 15) * 4))
}

const readIpv6 = (data: Buffer): Packet | undefined =>
  readTransport(data.readUInt8(6), { from: ipv6(data, 8), to: ipv6(data, 24) }, data.subarray(40))

function readArp(data: Buffer): Packet {
  const question = data.readUInt16BE(6) === 1
  const [from, to] = [ipv4(data, 14), ipv4(data, 24)]
  return { from, to, protocol: 'ARP', says: question ? `who has ${to}?` : `${from} is here` }
}

/** VXLAN by the numbers of IANA and of Linux, and GENEVE: a frame follows the header. */
const tunnelPorts: ReadonlySet<number> = new Set([4789, 8472, 6081])

function readTransport(number: number, ends: Pick<Packet, 'from' | 'to'>, data: Buffer): Packet | undefined {
  switch (number) {
    case 6:
      return { ...ends, protocol: 'TCP', ...portsOf(data), says: flagsOf(data.readUInt8(13)) }
    case 17: {
      const ports = portsOf(data)
      if (!tunnelPorts.has(ports.toPort)) return { ...ends, protocol: 'UDP', ...ports, says: '' }
      const options = ports.toPort === 6081 ? (data.readUInt8(8) & 0x3f) * 4 : 0
      const frame = data.subarray(16 + options)
      return unwrapped(readPacket(frame.readUInt16BE(12), frame.subarray(14)), ends)
    }
    case 1:
    case 58:
      return readIcmp(number === 58, ends, data)
    // IP in IP, both ways.
    case 4:
      return unwrapped(readIpv4(data), ends)
    case 41:
      return unwrapped(readIpv6(data), ends)
    default:
      return { ...ends, protocol: `protocol ${number}`, says: '' }
  }
}

const unwrapped = (inner: Packet | undefined, within: Pick<Packet, 'from' | 'to'>): Packet | undefined =>
  inner === undefined ? undefined : { ...inner, within }

const portsOf = (data: Buffer): { fromPort: number; toPort: number } => ({
  fromPort: data.readUInt16BE(0),
  toPort: data.readUInt16BE(2),
})

const flags: readonly (readonly [bit: number, name: string])[] = [
  [2, 'SYN'],
  [1, 'FIN'],
  [4, 'RST'],
  [8, 'PSH'],
  [16, 'ACK'],
]

const flagsOf = (bits: number): string =>
  flags.flatMap(([bit, name]) => ((bits & bit) > 0 ? [name] : [])).join(' ')

/** Type of ICMP -> what it says; of those that are errors, the packet in question follows. */
const errors: Readonly<Record<'v4' | 'v6', Readonly<Record<number, string>>>> = {
  v4: { 3: 'unreachable', 11: 'time exceeded' },
  v6: { 1: 'unreachable', 2: 'packet too big', 3: 'time exceeded' },
}

function readIcmp(isV6: boolean, ends: Pick<Packet, 'from' | 'to'>, data: Buffer): Packet {
  const [type, code] = [data.readUInt8(0), data.readUInt8(1)]
  const error = errors[isV6 ? 'v6' : 'v4'][type]
  const says = !isV6 && type === 3 && code === 4 ? 'fragmentation needed' : (error ?? `type ${type}`)
  const about =
    error === undefined ? undefined : readPacket(isV6 ? etherTypes.ipv6 : etherTypes.ipv4, data.subarray(8))
  return {
    ...ends,
    protocol: 'ICMP',
    says: `${says} (${type}/${code})`,
    ...(about === undefined ? {} : { about }),
  }
}
