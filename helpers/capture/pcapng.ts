import type { CapturedPacket } from './captured.ts'

/**
 * Packets as a file that Wireshark and tcpdump read: each interface of each place is one of the file's, by its name.
 * https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-03.html
 */

/** Cooked packets: https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html */
const linuxCooked = 113
const cookedBytes = 16

/** @param nameOf where a packet was seen, such as "cni-conformance/worker1-a eth0" */
export function pcapng(
  packets: readonly CapturedPacket[],
  nameOf: (packet: CapturedPacket) => string,
): Buffer {
  const names = [...new Set(packets.map(nameOf))]
  return Buffer.concat([
    block(0x0a0d0d0a, sectionHeader()),
    ...names.map((name) => block(1, interfaceDescription(name))),
    ...packets.map((packet) => block(6, enhancedPacket(packet, names.indexOf(nameOf(packet))))),
  ])
}

/** Type, length, body, and the length once more. */
function block(type: number, body: Buffer): Buffer {
  const length = 12 + body.length
  const frame = Buffer.alloc(8)
  frame.writeUInt32LE(type, 0)
  frame.writeUInt32LE(length, 4)
  return Buffer.concat([frame, body, frame.subarray(4)])
}

function sectionHeader(): Buffer {
  const body = Buffer.alloc(16, 0xff)
  // The byte order, and version 1.0; the length of the section is not given.
  body.writeUInt32LE(0x1a2b3c4d, 0)
  body.writeUInt16LE(1, 4)
  body.writeUInt16LE(0, 6)
  return body
}

function interfaceDescription(name: string): Buffer {
  const body = Buffer.alloc(8)
  body.writeUInt16LE(linuxCooked, 0)
  const text = Buffer.from(name)
  const option = Buffer.alloc(4)
  option.writeUInt16LE(2, 0)
  option.writeUInt16LE(text.length, 2)
  return Buffer.concat([body, option, padded(text), Buffer.alloc(4)])
}

function enhancedPacket({ us, out, protocol, length, data }: CapturedPacket, index: number): Buffer {
  const head = Buffer.alloc(20)
  head.writeUInt32LE(index, 0)
  head.writeUInt32LE(Math.floor(us / 2 ** 32), 4)
  head.writeUInt32LE(us % 2 ** 32, 8)
  head.writeUInt32LE(cookedBytes + data.length, 12)
  head.writeUInt32LE(cookedBytes + length, 16)
  const cooked = Buffer.alloc(cookedBytes)
  cooked.writeUInt16BE(out ? 4 : 0, 0)
  // ARPHRD_ETHER; the address of the sender is not known.
  cooked.writeUInt16BE(1, 2)
  cooked.writeUInt16BE(protocol, 14)
  return Buffer.concat([head, padded(Buffer.concat([cooked, data]))])
}

const padded = (data: Buffer): Buffer => Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)])
