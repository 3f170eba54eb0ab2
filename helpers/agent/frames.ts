import { crc32 } from 'node:zlib'
import type { Frame } from './protocol.ts'

/**
 * The control stream's lines: `<crc32, 8 hex digits> <json>\n`. Exec streams have lost their tail and still ended
 * with "success" (kubernetes#124571), so every line is summed and every frame numbered. Loaded on both sides.
 */

/** Longest line in bytes. 2,000 results take 0.6 MB; more than this is not our agent. */
export const maxLineBytes = 16 * 1024 * 1024

const newline = 0x0a
const prefixBytes = 9

/** One line for one value, with its newline. */
export function encodeLine(value: unknown): string {
  const json = JSON.stringify(value)
  return `${checksum(json)} ${json}\n`
}

function checksum(json: string | Uint8Array): string {
  return crc32(json).toString(16).padStart(8, '0')
}

/** What one chunk of a stream held, up to the first fault. */
export interface Reading<T> {
  values: T[]
  /** Why nothing after `values` is accepted, now or later. */
  fault?: string
}

/** Reads lines from chunks cut anywhere. After the first fault it accepts nothing more. */
export class LineReader {
  #chunks: Uint8Array[] = []
  #bytes = 0
  #fault: string | undefined

  /** The values of all lines that this chunk completes. */
  read(chunk: Uint8Array): Reading<object> {
    const values: object[] = []
    let start = 0
    while (this.#fault === undefined) {
      const end = chunk.indexOf(newline, start)
      const piece = chunk.subarray(start, end === -1 ? chunk.length : end)
      this.#bytes += piece.length
      if (this.#bytes > maxLineBytes) this.#fault = `a line of more than ${maxLineBytes} bytes`
      if (end === -1) this.#chunks.push(piece)
      if (end === -1 || this.#fault !== undefined) break
      const parsed = parseLine(this.#takeLine(piece))
      if (typeof parsed === 'string') this.#fault = parsed
      else values.push(parsed)
      start = end + 1
    }
    return this.#fault === undefined ? { values } : { values, fault: this.#fault }
  }

  /** To be called when the stream ends: the fault, if it ended inside a line. */
  end(): string | undefined {
    if (this.#fault === undefined && this.#bytes > 0) {
      this.#fault = `the stream was cut inside a line, after ${this.#bytes} of its bytes`
    }
    return this.#fault
  }

  /** The line that ends with this piece. Most come in one, which is read where it lies. */
  #takeLine(last: Uint8Array): Buffer {
    const line =
      this.#chunks.length === 0
        ? Buffer.from(last.buffer, last.byteOffset, last.byteLength)
        : Buffer.concat([...this.#chunks, last], this.#bytes)
    this.#chunks = []
    this.#bytes = 0
    return line
  }
}

/** The value of a line, or what is wrong with it. */
function parseLine(line: Buffer): object | string {
  if (line.length < prefixBytes) return `a line of ${line.length} bytes without a checksum`
  const json = line.subarray(prefixBytes)
  // Compared as text: a flipped bit in the sum itself is a fault too.
  if (line.toString('latin1', 0, prefixBytes) !== `${checksum(json)} `)
    return `a line of ${line.length} bytes has a wrong checksum`
  try {
    const value: unknown = JSON.parse(line.toString('utf8', prefixBytes))
    if (typeof value === 'object' && value !== null) return value
    return 'a line that holds no object'
  } catch {
    return 'a line that is not JSON'
  }
}

/** Reads the agent's frames and checks their numbers: none lost, none twice, none out of order. */
export class FrameReader {
  readonly #lines = new LineReader()
  #next = 0
  #fault: string | undefined

  read(chunk: Uint8Array): Reading<Frame> {
    const frames: Frame[] = []
    if (this.#fault === undefined) {
      const { values, fault } = this.#lines.read(chunk)
      for (const value of values) {
        const { seq } = value as Partial<Frame>
        if (seq !== this.#next) {
          this.#fault = `frame ${this.#next} was due, frame ${String(seq)} came`
          break
        }
        this.#next += 1
        frames.push(value as Frame)
      }
      this.#fault ??= fault
    }
    return this.#fault === undefined ? { values: frames } : { values: frames, fault: this.#fault }
  }

  /** To be called when the stream ends: the fault, if it ended inside a frame. */
  end(): string | undefined {
    this.#fault ??= this.#lines.end()
    return this.#fault
  }
}
