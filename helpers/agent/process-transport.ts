import type { ChildProcess } from 'node:child_process'
import type { AgentTransport } from './client.ts'

/** Stdin and stdout of a child as the control stream. */
export function processTransport(child: ChildProcess): AgentTransport {
  const { stdin, stdout } = child
  if (stdin === null || stdout === null) throw new Error('the child has no pipes')
  stdin.on('error', () => undefined)
  return {
    write: (text) => void stdin.write(text),
    onData: (listener) => void stdout.on('data', listener),
    onClose: (listener) => {
      child.on('error', (error) => listener(`the agent could not be started: ${error.message}`))
      child.on('close', (code) => listener(`the agent ended with exit code ${code}`))
    },
    close: () => void stdin.end(),
  }
}
