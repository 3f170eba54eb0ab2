import { readFile, readdir } from 'node:fs/promises'
import { awaitUntil } from '../helpers/await.ts'
import { budgets } from '../helpers/budgets.ts'
import { run } from '../helpers/exec.ts'
import { leaseMark } from './lease.ts'

/** On containers of ours beside the nodes; its value is the cluster's name. kind would take its own label for a node. */
export const clusterLabel = 'cni-conformance/cluster'

/** What is to be deleted, and how sure we are that nothing of it is still in the making. */
export interface TearDownOptions {
  /** False: kind may have been killed with requests on their way, so look again after a while. */
  settled: boolean
  /** Added to the Docker client's environment; `undefined` removes a variable. */
  env?: Readonly<Record<string, string | undefined>>
  onSeen?: (seen: string) => void
}

/**
 * Deletes the kind cluster of this name: processes that still make it, containers with its labels, its network.
 * Returns when nothing of it is left. Any number of us may do this at once for the same cluster.
 *
 * @throws {BudgetExceeded} naming what is left
 */
export async function tearDown(cluster: string, options: TearDownOptions): Promise<void> {
  const docker = dockerWith(options.env)
  let quietSinceMs: number | undefined
  await awaitUntil(
    async () => {
      const killed = await killMarked(cluster)
      const seen = await removeTraces(cluster, docker)
      const now = performance.now()
      if (seen !== '' || killed) quietSinceMs = undefined
      else quietSinceMs ??= now
      if (quietSinceMs === undefined) return { done: false, seen: seen || 'kind was still running' }
      const needed = options.settled ? 0 : budgets.dockerRequestMs.ms
      return now - quietSinceMs >= needed
        ? { done: true, value: undefined }
        : { done: false, seen: 'nothing any more, waiting for requests on their way' }
    },
    {
      what: `cluster ${cluster} to be gone`,
      budget: budgets.clusterDeleteMs,
      next: `docker rm -f -v $(docker ps -aq --filter label=io.x-k8s.kind.cluster=${cluster}); docker network rm ${cluster}; then \`cni-conformance clean\``,
      everyMs: 100,
      ...(options.onSeen === undefined ? {} : { onSeen: options.onSeen }),
    },
  )
}

/** Whether containers or a network of this name are there. */
export async function tracesOf(cluster: string): Promise<string[]> {
  const docker = dockerWith(undefined)
  const [containers, networks] = await Promise.all([
    containersOf(cluster, docker),
    networksOf(cluster, docker),
  ])
  return [
    ...containers.map((each) => `container ${each.name}`),
    ...networks.map((id) => `network ${cluster} (${id})`),
  ]
}

type DockerCommand = (...args: string[]) => Promise<string>

interface Container {
  id: string
  name: string
}

/** Removes what is there now; says what that was and what came of it, '' when there was nothing. */
async function removeTraces(cluster: string, docker: DockerCommand): Promise<string> {
  const containers = await containersOf(cluster, docker)
  // -v: /var of a node is an anonymous volume of some hundred MB.
  if (containers.length > 0) await docker('rm', '-f', '-v', ...containers.map((each) => each.id))
  const networks = await networksOf(cluster, docker)
  if (networks.length > 0) await docker('network', 'rm', ...networks)
  return [
    ...containers.map((each) => `container ${each.name}`),
    ...networks.map((id) => `network ${id}`),
  ].join(', ')
}

/** By kind's label, or by ours, with exactly this value: "x" does not find "x-2". */
async function containersOf(cluster: string, docker: DockerCommand): Promise<Container[]> {
  const listed = await Promise.all(
    ['io.x-k8s.kind.cluster', clusterLabel].map((label) => {
      const filter = `label=${label}=${cluster}`
      return docker('ps', '-a', '--no-trunc', '--filter', filter, '--format', '{{.ID}} {{.Names}}')
    }),
  )
  return listed.flatMap(rows).map(([id = '', name = '']) => ({ id, name }))
}

/** By id, because 20.10 allows two networks of one name. The filter finds substrings, hence the comparison. */
async function networksOf(cluster: string, docker: DockerCommand): Promise<string[]> {
  const listed = rows(
    await docker('network', 'ls', '--filter', `name=${cluster}`, '--format', '{{.ID}} {{.Name}}'),
  )
  return listed.filter(([, name]) => name === cluster).map(([id = '']) => id)
}

function rows(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split(' '))
}

function dockerWith(env: TearDownOptions['env']): DockerCommand {
  return async (...args) => {
    const result = await run(['docker', ...args], {
      timeoutMs: budgets.dockerAnswerMs.ms,
      ...(env === undefined ? {} : { env }),
    })
    return result.stdout
  }
}

/**
 * Kills every process that carries the cluster's mark: kind and its Docker clients, however far they had come when
 * their parent died. A pid in a journal could not do that: there is always a moment between fork and record.
 *
 * @returns whether there was one
 */
async function killMarked(cluster: string): Promise<boolean> {
  const mark = `${leaseMark}=${cluster}`
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number)
  const hits = await Promise.all(
    pids.map(async (pid) => {
      if (pid === process.pid) return false
      const environ = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
      return environ.split('\0').includes(mark) && killed(pid)
    }),
  )
  return hits.includes(true)
}

function killed(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL')
    return true
  } catch {
    return false
  }
}
