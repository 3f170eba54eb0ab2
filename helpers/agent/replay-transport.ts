import type { AgentTransport } from './client.ts'
import type { Command } from './protocol.ts'

/**
 * For tests: plays an agent's bytes: the first part at once, each further one when a plan is sent; then it closes
 * or is silent.
 */
export function replay(
  parts: readonly Buffer[],
  ending: 'close' | 'silence',
  chunkBytes = Infinity,
): AgentTransport {
  let onData: (chunk: Uint8Array) => void = () => undefined
  let onClose: (reason: string) => void = () => undefined
  const left = [...parts]
  const play = (): void => {
    const part = left.shift() ?? Buffer.alloc(0)
    setImmediate(() => {
      const step = Math.min(chunkBytes, Math.max(1, part.length))
      for (let at = 0; at < part.length; at += step) onData(part.subarray(at, at + step))
      if (left.length === 0 && ending === 'close') onClose('the stream ended')
    })
  }
  return {
    write(text) {
      const command = JSON.parse(text.slice(9)) as Command
      if (command.type === 'plan') play()
    },
    onData(listener) {
      onData = listener
      play()
    },
    onClose(listener) {
      onClose = listener
    },
    close: () => undefined,
  }
}
