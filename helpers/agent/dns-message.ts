import type { RecordType } from './protocol.ts'

/**
 * Just enough of RFC 1035 for one question over UDP or TCP. The agent has no libraries, and Node's own resolver
 * hides what is to be seen: the transport, the truncation bit, the response code, who answered.
 */

/** Numbers of the record types: IANA, Domain Name System (DNS) Parameters. */
const typeNumbers: Readonly<Record<RecordType, number>> = { A: 1, CNAME: 5, PTR: 12, AAAA: 28, SRV: 33 }
const classIn = 1
const headerBytes = 12
/** Names are at most 255 bytes; a chain of pointers that is longer than this is a loop. */
const maxPointers = 64

const rcodes = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'] as const

/** What a server answered. */
export interface DnsAnswer {
  rcode: string
  truncated: boolean
  /** Records of the type and name asked for, through CNAMEs, sorted. */
  answers: string[]
}

/** What is asked: a fully qualified name, with or without its final dot, and a type. */
export interface DnsQuestion {
  name: string
  type: RecordType
}

/**
 * The question for the records of a name, recursion desired.
 *
 * @throws {RangeError} for a name that cannot be put into a message
 */
export function encodeQuestion(id: number, { name, type }: DnsQuestion): Buffer {
  const labels = name
    .replace(/\.$/, '')
    .split('.')
    .map((label) => Buffer.from(label, 'latin1'))
  if (labels.some(({ length }) => length === 0 || length > 63))
    throw new RangeError(`not a DNS name: ${name}`)
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(0x0100, 2)
  header.writeUInt16BE(1, 4)
  return Buffer.concat([
    header,
    ...labels.flatMap((label) => [Buffer.of(label.length), label]),
    Buffer.of(0, 0, typeNumbers[type], 0, classIn),
  ])
}

/** Reads an answer; a string says why it is none to this question. Never throws, whatever the bytes. */
export function decodeAnswer(message: Buffer, id: number, question: DnsQuestion): DnsAnswer | string {
  try {
    return decode(message, id, question)
  } catch (error) {
    return `a malformed DNS message of ${message.length} bytes: ${(error as Error).message}`
  }
}

function decode(message: Buffer, id: number, { name, type: wantedType }: DnsQuestion): DnsAnswer | string {
  const flags = message.readUInt16BE(2)
  if (message.readUInt16BE(0) !== id) return 'a DNS message with another id'
  if ((flags & 0x8000) === 0) return 'a DNS question instead of an answer'
  const rcode = rcodes[flags & 0xf] ?? `RCODE${flags & 0xf}`
  const wanted = name.replace(/\.$/, '').toLowerCase()
  const questions = message.readUInt16BE(4)
  const cursor = { at: headerBytes }
  // A server may leave the question out of a FORMERR, never out of an answer.
  if (questions !== 1 && rcode === 'NOERROR') return `a DNS answer with ${questions} questions`
  for (let left = questions; left > 0; left -= 1) {
    const asked = readName(message, cursor)
    const [type, klass] = [readUInt16(message, cursor), readUInt16(message, cursor)]
    if (asked !== wanted || type !== typeNumbers[wantedType] || klass !== classIn)
      return `a DNS answer to the question for ${asked}`
  }
  const truncated = (flags & 0x0200) !== 0
  const count = message.readUInt16BE(6)
  return { rcode, truncated, answers: readRecords(message, cursor, { count, wanted, wantedType, truncated }) }
}

interface Wanted {
  /** Records that the message announces. */
  count: number
  wanted: string
  wantedType: RecordType
  truncated: boolean
}

/** Follows CNAMEs in the order given, as servers send them; records of other names are not answers. */
function readRecords(
  message: Buffer,
  cursor: Cursor,
  { count, wanted, wantedType, truncated }: Wanted,
): string[] {
  const names = new Set([wanted])
  const records = new Set<string>()
  for (let left = count; left > 0; left -= 1) {
    // A truncated answer may hold fewer records than it announces.
    if (truncated && cursor.at >= message.length) break
    const owner = readName(message, cursor)
    const [type, klass] = [readUInt16(message, cursor), readUInt16(message, cursor)]
    cursor.at += 4
    const length = readUInt16(message, cursor)
    const start = cursor.at
    cursor.at += length
    if (cursor.at > message.length) throw new RangeError('a record runs over the end')
    if (klass !== classIn || !names.has(owner)) continue
    if (type === typeNumbers.CNAME) names.add(readName(message, { at: start }))
    if (type === typeNumbers[wantedType]) records.add(readData[wantedType](message, start, length))
  }
  return [...records].toSorted()
}

/** Reads the data of one record, from where they start. */
type ReadData = (message: Buffer, start: number, length: number) => string

const readNameAt: ReadData = (message, start) => readName(message, { at: start })

const readData: Readonly<Record<RecordType, ReadData>> = {
  A: (message, start, length) => readAddress(message, start, length, 4),
  AAAA: (message, start, length) => readAddress(message, start, length, 16),
  CNAME: readNameAt,
  PTR: readNameAt,
  // Priority, weight, port, target (RFC 2782).
  SRV: (message, start) => `${message.readUInt16BE(start + 4)} ${readName(message, { at: start + 6 })}`,
}

/** IPv6 in the shortest form that Node's own URL parser gives, so that it compares with the API's. */
function readAddress(message: Buffer, start: number, length: number, wantedBytes: 4 | 16): string {
  if (length !== wantedBytes) throw new RangeError(`an address of ${length} bytes`)
  if (wantedBytes === 4) return [...message.subarray(start, start + 4)].join('.')
  const groups = Array.from({ length: 8 }, (_, index) => message.readUInt16BE(start + 2 * index).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

interface Cursor {
  at: number
}

function readUInt16(message: Buffer, cursor: Cursor): number {
  const value = message.readUInt16BE(cursor.at)
  cursor.at += 2
  return value
}

/** A name in lower case without its final dot; the cursor moves past it, not into what it points to. */
function readName(message: Buffer, cursor: Cursor): string {
  const labels: string[] = []
  let at = cursor.at
  let pointers = 0
  for (;;) {
    const length = message.readUInt8(at)
    if ((length & 0xc0) === 0xc0) {
      if (pointers === 0) cursor.at = at + 2
      pointers += 1
      if (pointers > maxPointers) throw new RangeError('compression pointers in a circle')
      at = message.readUInt16BE(at) & 0x3fff
      continue
    }
    if (length > 63) throw new RangeError('a label of unknown kind')
    at += 1
    if (length === 0) break
    if (at + length > message.length) throw new RangeError('a label runs over the end')
    labels.push(message.toString('latin1', at, at + length))
    at += length
  }
  if (pointers === 0) cursor.at = at
  return labels.join('.').toLowerCase()
}
