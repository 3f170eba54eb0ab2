import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeAnswer, encodeQuestion } from './dns-message.ts'

const name = 'echo.main.svc.cluster.local'
const question = { name, type: 'A' } as const

interface Record {
  owner: Buffer
  type: number
  data: Buffer
}

/** A pointer to the name in the question. */
const pointer = Buffer.of(0xc0, 12)
const a = (address: string, owner: Buffer = pointer): Record => ({
  owner,
  type: 1,
  data: Buffer.from(address.split('.').map(Number)),
})
const labels = (text: string): Buffer =>
  Buffer.concat([
    ...text.split('.').flatMap((label) => [Buffer.of(label.length), Buffer.from(label)]),
    Buffer.of(0),
  ])

/** An answer to the question, made from it as a server does. */
function answerTo(question: Buffer, records: readonly Record[], flags = 0x8180): Buffer {
  const head = Buffer.from(question)
  head.writeUInt16BE(flags, 2)
  head.writeUInt16BE(records.length, 6)
  const rest = records.map(({ owner, type, data }) => {
    const middle = Buffer.alloc(10)
    middle.writeUInt16BE(type, 0)
    middle.writeUInt16BE(1, 2)
    middle.writeUInt16BE(data.length, 8)
    return Buffer.concat([owner, middle, data])
  })
  return Buffer.concat([head, ...rest])
}

test('the addresses of the name come sorted, through compression pointers', () => {
  const answer = answerTo(encodeQuestion(7, question), [a('10.0.0.9'), a('10.0.0.10')])
  expect(decodeAnswer(answer, 7, { name: `${name}.`, type: 'A' })).toEqual({
    rcode: 'NOERROR',
    truncated: false,
    answers: ['10.0.0.10', '10.0.0.9'],
  })
})

test('CNAMEs are followed; records of other names and types are no answer', () => {
  const target = labels('target.example')
  const records = [
    { owner: pointer, type: 5, data: target },
    a('10.0.0.1', target),
    a('10.6.6.6', labels('other.example')),
  ]
  const aaaa = { owner: target, type: 28, data: Buffer.alloc(16) }
  expect(decodeAnswer(answerTo(encodeQuestion(7, question), [...records, aaaa]), 7, question)).toMatchObject({
    answers: ['10.0.0.1'],
  })
})

test('every type of record is read as the API writes its values', () => {
  const port = Buffer.of(0, 0, 0, 100, 0x1f, 0x90)
  const v6 = Buffer.from('fd000000000000000000000000000a01', 'hex')
  const said = {
    AAAA: [{ owner: pointer, type: 28, data: v6 }, ['fd00::a01']],
    CNAME: [{ owner: pointer, type: 5, data: labels('target.example') }, ['target.example']],
    PTR: [{ owner: pointer, type: 12, data: labels('Target.Example') }, ['target.example']],
    SRV: [{ owner: pointer, type: 33, data: Buffer.concat([port, labels('a.example')]) }, ['8080 a.example']],
  } as const
  for (const [type, [record, answers]] of Object.entries(said)) {
    const asked = { name, type: type as keyof typeof said }
    const message = answerTo(encodeQuestion(7, asked), [record, a('10.0.0.1')])
    expect(decodeAnswer(message, 7, asked)).toMatchObject({ answers })
  }
})

test('response code and truncation are told', () => {
  const asked = encodeQuestion(7, question)
  expect(decodeAnswer(answerTo(asked, [], 0x8183), 7, question)).toMatchObject({
    rcode: 'NXDOMAIN',
    answers: [],
  })
  expect(decodeAnswer(answerTo(asked, [], 0x8182), 7, question)).toMatchObject({ rcode: 'SERVFAIL' })
  expect(decodeAnswer(answerTo(asked, [a('10.0.0.1')], 0x8380), 7, question)).toMatchObject({
    truncated: true,
  })
})

test.each([
  ['another id', answerTo(encodeQuestion(8, question), []), /another id/],
  [
    'another question',
    answerTo(encodeQuestion(7, { ...question, name: 'other.example' }), []),
    /question for other.example/,
  ],
  ['a question', encodeQuestion(7, question), /question instead/],
  [
    'a pointer to itself',
    answerTo(encodeQuestion(7, question), [a('10.0.0.1', Buffer.of(0xc0, 45))]),
    /circle|malformed/,
  ],
  ['a record cut short', answerTo(encodeQuestion(7, question), [a('10.0.0.1')]).subarray(0, -2), /malformed/],
  ['nothing', Buffer.alloc(0), /malformed/],
])('%s is not an answer', (_name, message, why) => {
  expect(decodeAnswer(message, 7, question)).toMatch(why)
})

test('arbitrary and damaged bytes never throw and never loop', () => {
  const whole = answerTo(encodeQuestion(7, question), [a('10.0.0.1'), a('10.0.0.2')])
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(whole.length), (bytes, at) => {
      const damaged = Buffer.concat([whole.subarray(0, at), bytes, whole.subarray(at + bytes.length)])
      for (const message of [Buffer.from(bytes), damaged]) {
        const answer = decodeAnswer(message, 7, question)
        expect(['string', 'object']).toContain(typeof answer)
      }
    }),
    { numRuns: 2_000 },
  )
})

test('a name that fits into no message is refused', () => {
  expect(() => encodeQuestion(1, { ...question, name: 'a..b' })).toThrow(RangeError)
  expect(() => encodeQuestion(1, { ...question, name: `${'x'.repeat(64)}.example` })).toThrow(RangeError)
})
