import { open, type FileHandle } from 'node:fs/promises'
import type { RunEvent } from './events.ts'
import { parseLine } from './journal-reader.ts'

/** Reads a journal while another process writes it. */
export class JournalTail {
  readonly #path: string
  #handle: FileHandle | undefined
  #line = 0
  /** Bytes of a line that has not come to its end. */
  #rest = Buffer.alloc(0)

  constructor(path: string) {
    this.#path = path
  }

  /**
   * The events since the last call; none before the file is there.
   *
   * @throws {UsageError} when a whole line is no event
   */
  async read(): Promise<RunEvent[]> {
    this.#handle ??= await open(this.#path).catch(() => undefined)
    if (this.#handle === undefined) return []
    // A handle reads on from where it stopped, and at the end of the file gives nothing.
    const bytes = Buffer.concat([this.#rest, await readOn(this.#handle)])
    const end = bytes.lastIndexOf('\n') + 1
    this.#rest = bytes.subarray(end)
    const lines = bytes.subarray(0, end).toString('utf8').split('\n').slice(0, -1)
    return lines.map((line) => parseLine(line, `${this.#path}:${++this.#line}`))
  }

  async close(): Promise<void> {
    await this.#handle?.close()
  }
}

async function readOn(handle: FileHandle): Promise<Buffer> {
  const parts: Buffer[] = []
  for (;;) {
    const { bytesRead, buffer } = await handle.read({ buffer: Buffer.alloc(64 * 1024) })
    if (bytesRead === 0) return Buffer.concat(parts)
    parts.push(buffer.subarray(0, bytesRead))
  }
}
