import { budgets } from '../../helpers/budgets.ts'
import { run } from '../../helpers/exec.ts'
import { workerName } from '../../helpers/fixture-nodes.ts'
import type { FixtureSpec } from '../../helpers/fixture-objects.ts'
import type { FaultContext } from './fault.ts'

/** A pod and its node: that which a fixture pod was pinned to, or its real name. */
export interface Victim {
  node: FixtureSpec['node'] | { name: string }
  name: string
}

/** Address of a fixture pod. */
export function addressOfPod({ world }: FaultContext, { name }: Victim): string {
  const pod = world.pods.find((each) => each.name === name)
  if (pod === undefined) throw new Error(`no fixture pod ${name}`)
  return pod.ip
}

const nodeOf = ({ workers }: FaultContext, { node }: Victim): string =>
  typeof node === 'string' ? workerName(node, workers) : node.name

/** Id of the sandbox of a pod, in its node's containerd. */
export async function sandboxOf(context: FaultContext, victim: Victim): Promise<string> {
  const argv = ['crictl', 'pods', '--state', 'ready', '--name', `^${victim.name}$`, '-q']
  return (await context.runOnNode(nodeOf(context, victim), argv)).trim()
}

/** Runs a program in the network namespace of a pod. */
export async function runInPodNetwork(
  context: FaultContext,
  victim: Victim,
  argv: readonly string[],
): Promise<string> {
  const node = nodeOf(context, victim)
  const pid = await pidIn(context, node, [
    'crictl',
    'inspectp',
    '-o',
    'json',
    await sandboxOf(context, victim),
  ])
  return context.runOnNode(node, ['nsenter', '-t', pid, '-n', ...argv])
}

/**
 * Runs a program of a node's image in the network of the server outside the cluster, whose own image has next to none: in a
 * container that is gone when the program ends.
 */
export async function runInOutsideNetwork(
  { world, workers: [node] }: Pick<FaultContext, 'world' | 'workers'>,
  argv: readonly string[],
): Promise<string> {
  if (world.outside === undefined) throw new Error('there is no server outside the cluster')
  const docker = async (...words: string[]): Promise<string> =>
    (await run(['docker', ...words], { timeoutMs: budgets.containerStartMs.ms })).stdout
  const image = (await docker('inspect', '--format', '{{.Image}}', node)).trim()
  const [program = '', ...args] = argv
  const inNetwork = ['--network', `container:${world.outside.fullName}`, '--cap-add', 'NET_ADMIN']
  return docker('run', '--rm', ...inNetwork, '--entrypoint', program, image, ...args)
}

/** Runs a program among the files of a container, in the network of its pod or in that of its node. */
export async function runInContainer(
  context: FaultContext,
  victim: Victim,
  container: string,
  network: 'pod' | 'node',
  argv: readonly string[],
): Promise<string> {
  const node = nodeOf(context, victim)
  const id = await containerOf(context, victim, container)
  const pid = await pidIn(context, node, ['crictl', 'inspect', '-o', 'json', id])
  const enter = ['-m', '-p', ...(network === 'pod' ? ['-n'] : [])]
  return context.runOnNode(node, ['nsenter', '-t', pid, ...enter, ...argv])
}

/** Stops one container of a fixture pod at once; its kubelet starts it again. */
export async function stopContainer(context: FaultContext, victim: Victim, container: string): Promise<void> {
  const id = await containerOf(context, victim, container)
  await context.runOnNode(nodeOf(context, victim), ['crictl', 'stop', '--timeout', '0', id])
}

async function containerOf(context: FaultContext, victim: Victim, container: string): Promise<string> {
  const sandbox = await sandboxOf(context, victim)
  const argv = ['crictl', 'ps', '-q', '--pod', sandbox, '--name', `^${container}$`]
  return (await context.runOnNode(nodeOf(context, victim), argv)).trim()
}

/** The process id in what `crictl inspect` says. */
async function pidIn(context: FaultContext, node: string, argv: readonly string[]): Promise<string> {
  const inspected = JSON.parse(await context.runOnNode(node, argv)) as { info: { pid: number } }
  return String(inspected.info.pid)
}
