import { budgets } from './budgets.ts'
import { run } from './exec.ts'

/** Runs a program on a node and returns its standard output; throws when it fails. */
export type RunOnNode = (node: string, argv: readonly string[]) => Promise<string>

/** A node of our own kind clusters is a container: Docker leads inside, past the network under test. */
export const runOnKindNode: RunOnNode = async (node, argv) => {
  const { stdout } = await run(['docker', 'exec', node, ...argv], { timeoutMs: budgets.nodeCommandMs.ms })
  return stdout
}
