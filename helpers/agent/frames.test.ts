import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeLine, FrameReader, LineReader, maxLineBytes } from './frames.ts'

const bytesOf = (values: readonly object[]): Buffer =>
  Buffer.from(values.map((value) => encodeLine(value)).join(''))

/** Cuts bytes at the given places. */
function chunks(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}

test('what is written is read back, wherever the chunks are cut, inside a UTF-8 character too', () => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' })), { maxLength: 8 }),
      fc.array(fc.nat()),
      (values, cuts) => {
        const reader = new LineReader()
        const read = chunks(bytesOf(values), cuts).flatMap((chunk) => reader.read(chunk).values)
        expect(read).toEqual(values.map((value) => JSON.parse(JSON.stringify(value)) as object))
        expect(reader.end()).toBeUndefined()
      },
    ),
  )
})

test('a flipped bit is a fault, and nothing after it is accepted', () => {
  const bytes = bytesOf([{ seq: 0, a: 'é' }, { seq: 1 }, { seq: 2 }])
  fc.assert(
    fc.property(fc.nat(bytes.length * 8 - 1), (bit) => {
      const broken = Buffer.from(bytes)
      broken.writeUInt8(broken.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      const reader = new LineReader()
      const { values, fault } = reader.read(broken)
      expect(fault ?? reader.end()).toBeTypeOf('string')
      expect(values.length).toBeLessThan(3)
      expect(reader.read(bytes).values).toEqual([])
    }),
  )
})

test('an end inside a line is a fault, an end between lines is none', () => {
  const bytes = bytesOf([{ a: 1 }, { b: 2 }])
  const first = bytes.indexOf(10) + 1
  for (let length = 0; length <= bytes.length; length += 1) {
    const reader = new LineReader()
    reader.read(bytes.subarray(0, length))
    const whole = length === 0 || length === first || length === bytes.length
    expect(reader.end() ?? 'whole').toMatch(whole ? /^whole$/ : /cut inside a line/)
  }
})

test.each([
  ['lost', [0, 2], 'frame 1 was due, frame 2 came'],
  ['twice', [0, 1, 1], 'frame 2 was due, frame 1 came'],
  ['out of order', [0, 2, 1], 'frame 1 was due, frame 2 came'],
  ['without its first', [1], 'frame 0 was due, frame 1 came'],
])('frames that are %s are a fault', (_name, seqs, fault) => {
  const reader = new FrameReader()
  const reading = reader.read(bytesOf(seqs.map((seq) => ({ seq, type: 'beat' }))))
  expect(reading.fault).toBe(fault)
  expect(reader.end()).toBe(fault)
})

test.each([
  ['no checksum', 'x\n', /without a checksum/],
  ['not JSON', '00000000 \n', /not JSON/],
  ['no object', encodeLine(5), /no object/],
])('a line with %s is a fault', (_name, text, fault) => {
  expect(new LineReader().read(Buffer.from(text)).fault).toMatch(fault)
})

test('a line without end is given up before it fills the memory', () => {
  const reader = new LineReader()
  const chunk = Buffer.alloc(1024 * 1024, 'x')
  const faults = Array.from({ length: maxLineBytes / chunk.length + 1 }, () => reader.read(chunk).fault)
  expect(faults.at(-1)).toMatch(/more than/)
  expect(faults.slice(0, -1).every((fault) => fault === undefined)).toBe(true)
})
