import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { overlap, readCidrs } from './cidr.ts'
import type { Cidr } from './cidr.ts'

const cidr = (text: string): Cidr => {
  const [first] = readCidrs(text).cidrs
  if (first === undefined) throw new Error(`${text} is no range`)
  return first
}

/** A range out of 10.0.0.0/8, written as the network of a random address. */
const ranges = fc
  .tuple(fc.nat({ max: 0xff_ff_ff }), fc.integer({ min: 9, max: 32 }))
  .map(([bits, prefix]) => {
    const network = 10 * 2 ** 24 + Math.floor(bits / 2 ** (32 - prefix)) * 2 ** (32 - prefix)
    return `${[24, 16, 8, 0].map((shift) => Math.floor(network / 2 ** shift) % 256).join('.')}/${prefix}`
  })

test('a range holds what its prefix says, and is read whatever it is', () => {
  fc.assert(
    fc.property(ranges, (text) => {
      const { first, last, prefix, family } = cidr(text)
      expect(last - first + 1n).toBe(2n ** BigInt(32 - prefix))
      expect(family).toBe('ipv4')
    }),
  )
})

test('two ranges overlap when one holds an end of the other, and it does not matter which comes first', () => {
  fc.assert(
    fc.property(ranges, ranges, (one, other) => {
      const [a, b] = [cidr(one), cidr(other)]
      const holds = (outer: Cidr, inner: Cidr): boolean =>
        outer.first <= inner.first && inner.last <= outer.last
      expect(overlap(a, b)).toBe(holds(a, b) || holds(b, a))
      expect(overlap(b, a)).toBe(overlap(a, b))
    }),
  )
})

test('families never overlap', () => {
  expect(overlap(cidr('10.0.0.0/8'), cidr('a00::/8'))).toBe(false)
})

test('reads one range of each family', () => {
  const { cidrs, problems } = readCidrs('10.244.0.0/16,fd00:10:244::/56')
  expect(cidrs.map(({ family, prefix }) => [family, prefix])).toEqual([
    ['ipv4', 16],
    ['ipv6', 56],
  ])
  expect(problems).toEqual([])
})

test.each([
  '',
  ',',
  '10.0.0.0/33',
  '10.0.0/8',
  '010.0.0.0/8',
  'fe80::%eth0/64',
  '::/0',
  '0.0.0.0/0',
  '::1/128',
  ' 10.0.0.0/8',
])('refuses %j', (text) => {
  expect(readCidrs(text).problems).not.toEqual([])
})

test('no text makes it throw', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc
      .array(fc.constantFrom('1', '255', '.', ':', '/', ',', 'fd00', '::', '%', '-', ' '))
      .map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(text, (any) => readCidrs(any).cidrs.length <= 2),
    { numRuns: 5_000 },
  )
})
