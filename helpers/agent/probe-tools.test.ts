import { describe, expect, test } from 'vitest'
import { readOversize, readPing, readRoute } from './probe-tools.ts'

describe('what ping printed', () => {
  test('replies, as iputils prints them', () => {
    const output = [
      'PING 10.244.2.3 (10.244.2.3) 56(84) bytes of data.',
      '64 bytes from 10.244.2.3: icmp_seq=1 ttl=62 time=0.123 ms',
      '64 bytes from 10.244.2.3: icmp_seq=3 ttl=62 time=1.5 ms',
      '',
      '--- 10.244.2.3 ping statistics ---',
      '3 packets transmitted, 2 received, 33.3333% packet loss, time 402ms',
    ].join('\n')
    expect(readPing(output)).toEqual({
      replies: [
        { from: '10.244.2.3', seq: 1, ttl: 62, ms: 0.123 },
        { from: '10.244.2.3', seq: 3, ttl: 62, ms: 1.5 },
      ],
      sent: 3,
    })
  })

  test('replies, as busybox prints them', () => {
    const output = [
      'PING 10.244.2.3 (10.244.2.3): 56 data bytes',
      '64 bytes from 10.244.2.3: seq=0 ttl=62 time=0.081 ms',
      '',
      '--- 10.244.2.3 ping statistics ---',
      '1 packets transmitted, 1 packets received, 0% packet loss',
      'round-trip min/avg/max = 0.081/0.081/0.081 ms',
    ].join('\n')
    expect(readPing(output)).toEqual({
      replies: [{ from: '10.244.2.3', seq: 0, ttl: 62, ms: 0.081 }],
      sent: 1,
    })
  })

  test('a reply over IPv6', () => {
    expect(readPing('64 bytes from fd00::1: icmp_seq=1 ttl=64 time=0.1 ms').replies).toEqual([
      { from: 'fd00::1', seq: 1, ttl: 64, ms: 0.1 },
    ])
  })

  test('silence: that something was sent is said', () => {
    const output = '\n--- 10.0.0.9 ping statistics ---\n3 packets transmitted, 0 received, 100% packet loss\n'
    expect(readPing(output)).toEqual({ replies: [], sent: 3 })
  })

  test.each([
    'From 10.244.1.1 icmp_seq=1 Destination Host Unreachable',
    'ping: connect: Network is unreachable',
    'From 10.244.1.1 icmp_seq=1 Packet filtered',
    'ping: sendto: No route to host',
  ])('a word against it: %s', (line) => {
    expect(readPing(line)).toEqual({ replies: [], unreachable: line })
  })

  test.each([
    'ping: socktype: SOCK_RAW\nping: socket: Operation not permitted',
    'ping: permission denied (are you root?)',
    'sh: ping: not found',
    '',
  ])('nothing that says anything of the network: %j', (output) => {
    expect(readPing(output)).toEqual({ replies: [] })
  })
})

describe('what ip printed of a route', () => {
  test('one without an MTU of its own', () => {
    const output = '10.244.2.3 via 10.244.1.1 dev eth0 src 10.244.1.5 uid 1000 \\    cache \n'
    expect(readRoute(output)).toEqual({ told: false })
  })

  test('one with an MTU of its own, which is no news', () => {
    const output = '10.0.1.7 via 10.0.0.2 dev eth0 src 10.0.0.5 uid 1000 \\    cache mtu 1450 \n'
    expect(readRoute(output)).toEqual({ mtu: 1_450, told: false })
  })

  test('one that a router has spoken about', () => {
    const output =
      '10.244.2.3 via 10.244.1.1 dev eth0 src 10.244.1.5 uid 1000 \\    cache expires 597sec mtu 1300 \n'
    expect(readRoute(output)).toEqual({ mtu: 1_300, told: true })
  })

  test('none', () => {
    expect(readRoute('RTNETLINK answers: Network is unreachable\n')).toBeUndefined()
  })
})

describe('what socat printed of a packet that is too long', () => {
  test.each([
    '2026/11/22 00:12:26 socat[2662] E sendto(6, 0x7fce7020d000, 1423, 0, AF=2 10.9.1.1:8081, 16): Message too long',
    '2026/11/22 00:12:26 socat[7] E sendto(6, 0x7f, 1423, 0, AF=2 10.9.1.1:8081, 16): Message too large',
  ])('its kernel refused it: %s', (line) => {
    expect(readOversize(`socat[7] N starting data transfer loop\n${line}\nsocat[7] N exit(1)\n`)).toBe(
      'refused',
    )
  })

  test('it was sent', () => {
    const output =
      '2026/11/22 00:12:26 socat[2661] I transferred 1423 bytes from 5 to 6\nsocat[2661] N exiting with status 0\n'
    expect(readOversize(output)).toBe('sent')
  })

  test.each([
    '',
    'sh: socat: not found',
    '2026/11/22 socat[2] E sendto(6, 0x7f, 1423, 0, AF=2 10.9.1.1:8081, 16): Network is unreachable',
    '2026/11/22 socat[2] E parseopts(): unknown option "setsockopt-int"',
  ])('nothing that says anything of it: %j', (output) => {
    expect(readOversize(output)).toBeUndefined()
  })
})
