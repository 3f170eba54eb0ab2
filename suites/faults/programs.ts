import type { FaultContext } from './fault.ts'

/** Programs of nodes, by the names that the kernel keeps of them: alternatives with `|` between. */

/** Pauses them, or lets them go on. Throws where a node has no program of that name. */
export async function signalPrograms(
  { runOnNode }: Pick<FaultContext, 'runOnNode'>,
  nodes: readonly string[],
  signal: '-STOP' | '-CONT',
  names: string,
): Promise<void> {
  await Promise.all(nodes.map((node) => runOnNode(node, ['pkill', signal, '-x', names])))
}

/** Is one of them paused on each of these nodes? `pgrep` throws where it finds none that is stopped. */
export async function arePaused(
  { runOnNode }: Pick<FaultContext, 'runOnNode'>,
  nodes: readonly string[],
  names: string,
): Promise<boolean> {
  const counts = await Promise.all(
    nodes.map((node) => runOnNode(node, ['pgrep', '-c', '-r', 'T', '-x', names]).catch(() => '0')),
  )
  return counts.every((count) => Number(count) > 0)
}
