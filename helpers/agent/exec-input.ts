import type { Exec } from '@kubernetes/client-node'
import { Readable } from 'node:stream'
import { sleep } from '../await.ts'

/** The websocket under an exec. */
export type ExecSocket = Awaited<ReturnType<Exec['exec']>>

/** One message to the API server; it decodes messages whole. */
const maxMessageBytes = 64 * 1024
/** Bytes that may lie unsent in the socket before stdin is held back: `ws` itself would take any number. */
const maxUnsentBytes = 1024 * 1024
/** The command's stdin: cut into messages, held back while the socket has too much unsent. */
export class ExecInput {
  readonly stream: Readable
  readonly #queue: Buffer[] = []
  #socket: ExecSocket | undefined
  #ended = false
  #wake: (() => void) | undefined

  constructor() {
    this.stream = Readable.from(this.#messages())
  }

  attach(socket: ExecSocket): void {
    this.#socket = socket
  }

  write(text: string): void {
    if (this.#ended) return
    const bytes = Buffer.from(text)
    for (let at = 0; at < bytes.length; at += maxMessageBytes)
      this.#queue.push(bytes.subarray(at, at + maxMessageBytes))
    this.#wake?.()
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  async *#messages(): AsyncGenerator<Buffer> {
    for (;;) {
      while ((this.#socket?.bufferedAmount ?? 0) > maxUnsentBytes) await sleep(5)
      const next = this.#queue.shift()
      if (next !== undefined) yield next
      else if (this.#ended) return
      else await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }
}
