import type { FaultContext } from './fault.ts'

/** Id of the sandbox of a fixture pod on the first worker, in its node's containerd. */
export async function sandboxOf({ runOnNode, workers }: FaultContext, pod: string): Promise<string> {
  const ids = await runOnNode(workers[0], ['crictl', 'pods', '--state', 'ready', '--name', `^${pod}$`, '-q'])
  return ids.trim()
}

/** Runs a program in the network namespace of a fixture pod on the first worker. */
export async function runInPodNetwork(
  context: FaultContext,
  pod: string,
  argv: readonly string[],
): Promise<string> {
  const { runOnNode, workers } = context
  const sandbox = await sandboxOf(context, pod)
  const inspected = JSON.parse(
    await runOnNode(workers[0], ['crictl', 'inspectp', '-o', 'json', sandbox]),
  ) as {
    info: { pid: number }
  }
  return runOnNode(workers[0], ['nsenter', '-t', String(inspected.info.pid), '-n', ...argv])
}

/** Stops one container of a fixture pod on the first worker at once; its kubelet starts it again. */
export async function stopContainer(context: FaultContext, pod: string, container: string): Promise<void> {
  const { runOnNode, workers } = context
  const sandbox = await sandboxOf(context, pod)
  const ids = await runOnNode(workers[0], [
    'crictl',
    'ps',
    '-q',
    '--pod',
    sandbox,
    '--name',
    `^${container}$`,
  ])
  await runOnNode(workers[0], ['crictl', 'stop', '--timeout', '0', ids.trim()])
}
