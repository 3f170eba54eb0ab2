import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readCaptured, type Captured } from './captured.ts'
import { client, icmpError, journey, nodeAddresses, server, stops, tcp, wrapped } from './capture.testdata.ts'
import { conclusionOf, sightsOf, withOwnAddresses, type CapturePair } from './journey.ts'
import { readPacket } from './packet.ts'
import { pcapng } from './pcapng.ts'
import { captureText, placeName } from './rendering.ts'

const pair: CapturePair = {
  client,
  asked: { name: server.name, ips: server.ips },
  ends: [server],
  alsoKnownAs: [],
}

const concluded = (captured: readonly Captured[], of = pair): string =>
  conclusionOf(of, sightsOf(captured, nodeAddresses))

test('the segment behind the last stop is named, there and back', () => {
  const texts = Array.from({ length: stops + 1 }, (_, seen) => concluded(journey(seen)))
  const lostOnFirst = 'the packet to main/b came to its node worker'
  const lostOnSecond = 'the packet to main/b came to worker2'
  const answer = 'the packet arrived at main/b; its answer'
  const expected = [
    'no packet left main/a: rules or routes in its own network namespace',
    'the packet to main/b left main/a, and never came out on its node worker: lost between the two',
    `${lostOnFirst} (last seen coming by veth-a), and never left it by eth0: lost on worker`,
    `${lostOnFirst} (last seen leaving by flannel.1), and never left it by eth0: lost on worker`,
    'the packet to main/b left worker by eth0 (wrapped from 172.18.0.3 to 172.18.0.4), and never arrived at worker2: lost between the nodes',
    `${lostOnSecond} (last seen coming by eth0), and never arrived at main/b: lost on worker2`,
    `${lostOnSecond} (last seen coming by flannel.1), and never arrived at main/b: lost on worker2`,
    `${lostOnSecond} (last seen leaving by veth-b), and never arrived at main/b: lost on worker2`,
    'the packet arrived at main/b on worker2, which sent no answer',
    `${answer} left main/b, and never came out on its node worker2: lost between the two`,
    `${answer} came to its node worker2 (last seen coming by veth-b), and never left it by eth0: lost on worker2`,
    `${answer} came to its node worker2 (last seen leaving by flannel.1), and never left it by eth0: lost on worker2`,
    `${answer} left worker2 by eth0 (wrapped from 172.18.0.4 to 172.18.0.3), and never arrived at worker: lost between the nodes`,
    `${answer} came to worker (last seen coming by eth0), and never arrived at main/a: lost on worker`,
    `${answer} came to worker (last seen coming by flannel.1), and never arrived at main/a: lost on worker`,
    `${answer} came to worker (last seen leaving by veth-a), and never arrived at main/a: lost on worker`,
    'packets went to main/b and back',
  ]
  expect(texts).toEqual(expected.map((text) => expect.stringContaining(text) as string))
})

test('a datagram that nobody answers has arrived where it was seen', () => {
  expect(concluded(journey(8), { ...pair, oneWay: true })).toBe('packets arrived at main/b')
  expect(concluded(journey(5), { ...pair, oneWay: true })).toContain('lost on worker2')
})

test('a reset is told with who sent it, and several connections are counted', () => {
  expect(concluded(journey(stops, 0x14))).toContain('main/b answered with a reset (RST)')
  const [first, second] = [journey(stops), journey(4)]
  const other = second.map((each) => ({
    ...each,
    packets: each.packets.map((packet) => {
      const data = Buffer.from(packet.data)
      data.writeUInt16BE(40_002, data.length - 20)
      return { ...packet, data }
    }),
  }))
  const both = first.map((each, at) => ({
    ...each,
    packets: [...each.packets, ...(other[at]?.packets ?? [])],
  }))
  expect(concluded(both)).toBe(
    '1 of 2: the packet to main/b left worker by eth0 (wrapped from 172.18.0.3 to 172.18.0.4), and never arrived at worker2: lost between the nodes; 1 of 2: packets went to main/b and back',
  )
})

test('nothing is concluded from a packet that is missing in a capture with a gap', () => {
  const [first, second] = journey(4)
  if (first === undefined || second === undefined) throw new Error('no captures')
  const gap = '3 packets on worker2 were not written down'
  expect(concluded([first, { ...second, gap }])).toBe(gap)
  expect(
    concluded([
      { ...first, packets: [] },
      { ...second, gap },
    ]),
  ).toBe(gap)
  expect(readCaptured('n', ['{"ready":{}}']).gap).toBe('the capture on n broke off')
  expect(readCaptured('n', ['{"ready":{}}', '{"end":{"lost":2}}']).gap).toContain('2 packets on n')
  expect(readCaptured('n', ['{"ready":{}}', '{"end":{"lost":0}}']).gap).toBeUndefined()
})

test('a Service that leads nowhere is told with the node whose rules it met', () => {
  const service: CapturePair = { ...pair, asked: { name: 'Service echo', ips: ['10.96.0.7'] } }
  const sent = tcp({ from: '10.244.1.10', to: '10.96.0.7', fromPort: 40_001, toPort: 80 }, 2)
  const captured = journey(2).map((each) => ({
    ...each,
    packets: each.packets.map((packet) => ({ ...packet, data: sent })),
  }))
  expect(concluded(captured, service)).toContain('not seen on its way to an endpoint: lost on worker')
})

test('an ICMP error says who sent it, and what about', () => {
  const about = tcp({ from: '10.244.1.10', to: '10.244.2.11', fromPort: 40_001, toPort: 8081 }, 2)
  const data = icmpError({ from: '172.18.0.3', to: '10.244.1.10' }, about, [3, 1])
  const captured = journey(2).map((each) => ({
    ...each,
    packets: each.packets.flatMap((packet) => [packet, { ...packet, data }]),
  }))
  expect(concluded(captured)).toMatch(/^172\.18\.0\.3 said unreachable \(3\/1\); the packet to main\/b/)
})

test('a node asks under whichever of its own addresses the route says', () => {
  const data = tcp({ from: '10.244.1.0', to: '10.244.2.11', fromPort: 40_001, toPort: 8081 }, 2)
  const captured = journey(4).map((each) => ({
    ...each,
    places: { ...each.places, '10.244.1.0': { at: 'node', interface: 'flannel.1' } },
    packets: each.packets.slice(2, 3).map((packet) => ({ ...packet, data })),
  }))
  const node = { name: 'worker', node: 'worker', ips: ['172.18.0.3'], isNode: true as const }
  const sights = sightsOf(captured, nodeAddresses)
  expect(conclusionOf(withOwnAddresses({ ...pair, client: node }, sights), sights)).toContain(
    '(last seen leaving by flannel.1), and never left it by eth0: lost on worker',
  )
})

const octet = fc.integer({ min: 0, max: 255 })
const ip = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'))
const port = fc.integer({ min: 1, max: 65_535 })

test('a wrapped packet is read as the one inside, and whatever is cut off or foreign never throws', () => {
  const ends = fc.record({ from: ip, to: ip, fromPort: port, toPort: port })
  fc.assert(
    fc.property(ends, ends, fc.integer({ min: 0, max: 31 }), (inner, outer, flags) => {
      const plain = readPacket(0x0800, tcp(inner, flags))
      const { from, to } = outer
      expect(readPacket(0x0800, wrapped(tcp(inner, flags), { from, to }))).toEqual({
        ...plain,
        within: { from, to },
      })
      expect(plain).toMatchObject(inner)
    }),
  )
  fc.assert(
    fc.property(
      fc.constantFrom(0x0800, 0x86dd, 0x0806, 4),
      fc.uint8Array({ maxLength: 200 }),
      (type, bytes) => {
        readPacket(type, Buffer.from(bytes))
      },
    ),
    { numRuns: 2_000 },
  )
})

test('both files say where each packet was', () => {
  const captured = journey(stops)
  const sights = sightsOf(captured, nodeAddresses)
  const text = captureText(pair, sights, 'so it is')
  const lines = text.split('\n').filter((line) => line.startsWith('+'))
  expect(lines).toHaveLength(stops)
  expect(lines[0]).toMatch(
    /main\/a eth0 +out {2}TCP 10\.244\.1\.10:40001 -> 10\.244\.2\.11:8081 SYN, 40 bytes$/,
  )
  expect(lines[3]).toMatch(/worker eth0 +out .*, 90 bytes, within 172\.18\.0\.3 -> 172\.18\.0\.4$/)
  const file = pcapng(sights.sights, placeName(pair, sights))
  expect(file.readUInt32LE(0)).toBe(0x0a0d0d0a)
  // Blocks follow each other by their lengths, to the last byte.
  const types: number[] = []
  for (let at = 0; at < file.length; at += file.readUInt32LE(at + 4)) {
    types.push(file.readUInt32LE(at))
    expect(file.readUInt32LE(at + file.readUInt32LE(at + 4) - 4)).toBe(file.readUInt32LE(at + 4))
  }
  expect(types.filter((type) => type === 6)).toHaveLength(stops)
  for (const name of ['main/a eth0', 'worker flannel.1', 'main/b eth0'])
    expect(file.includes(name)).toBe(true)
})
