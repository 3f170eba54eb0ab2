import { budgets } from '../../helpers/budgets.ts'
import { run } from '../../helpers/exec.ts'
import { listLeases } from '../sweep.ts'
import { readText } from './facts.ts'

/** How often the memory is looked at, in milliseconds; one look reads some 30 small files. */
const everyMs = 1_000

/** How often Docker is asked for our containers, in milliseconds: that starts a process. */
const askEveryMs = 10_000

/** Where the kernel shows control groups: of version 1 one hierarchy for memory, of version 2 one for all. */
const hierarchies = ['/sys/fs/cgroup/memory', '/sys/fs/cgroup', '/sys/fs/cgroup/unified'] as const

/**
 * Measures the memory of running legs: their processes with all that those have started, and the nodes of the clusters
 * that they hold a lease on. What others do on this machine does not count, nor does the page cache, which the kernel
 * gives back. Nothing is measured where the nodes are out of sight: Docker on another machine, or off Linux.
 */
export class MemoryMeter {
  readonly #pids: () => Iterable<number>
  readonly #timer: NodeJS.Timeout
  #looking = Promise.resolve()
  #busy = false
  #askedMs = -Infinity
  /** Control groups of our nodes, as folders. */
  #groups: string[] = []
  #peakBytes = 0
  #seenNodes = false

  /** @param pids of the legs that run now */
  constructor(pids: () => Iterable<number>) {
    this.#pids = pids
    this.#timer = setInterval(() => {
      if (!this.#busy) this.#looking = this.#look()
    }, everyMs)
    this.#timer.unref()
  }

  /** Ends the measuring. Returns the most memory at one time in MiB; undefined when the nodes were out of sight. */
  async stop(): Promise<number | undefined> {
    clearInterval(this.#timer)
    await this.#looking
    return this.#seenNodes ? Math.ceil(this.#peakBytes / 2 ** 20) : undefined
  }

  async #look(): Promise<void> {
    this.#busy = true
    try {
      const pids = [...this.#pids()]
      if (performance.now() - this.#askedMs >= askEveryMs) {
        this.#askedMs = performance.now()
        this.#groups = await groupsOf(await clustersOf(pids))
      }
      const [nodes, processes] = await Promise.all([
        Promise.all(this.#groups.map(bytesOfGroup)),
        Promise.all(pids.map(bytesOfTree)),
      ])
      const inNodes = sum(nodes)
      this.#seenNodes ||= inNodes > 0
      this.#peakBytes = Math.max(this.#peakBytes, inNodes + sum(processes))
    } finally {
      this.#busy = false
    }
  }
}

async function clustersOf(pids: readonly number[]): Promise<string[]> {
  const leases = await listLeases().catch(() => [])
  return leases
    .filter(({ owner, journal }) => owner === 'alive' && pids.includes(journal.owner?.owner.pid ?? 0))
    .flatMap(({ journal }) => journal.clusters)
}

/** The control groups of the nodes of these clusters. */
async function groupsOf(clusters: readonly string[]): Promise<string[]> {
  if (clusters.length === 0) return []
  const label = 'io.x-k8s.kind.cluster'
  const format = `{{.ID}} {{.Label "${label}"}}`
  const { stdout } = await run(
    ['docker', 'ps', '--no-trunc', '--filter', `label=${label}`, '--format', format],
    { timeoutMs: budgets.dockerAnswerMs.ms, allowFailure: true },
  ).catch(() => ({ stdout: '' }))
  const ours = stdout.split('\n').flatMap((line) => {
    const [id = '', cluster = ''] = line.split(' ')
    return clusters.includes(cluster) ? [id] : []
  })
  const found = await Promise.all(ours.map((id) => firstReadable(foldersOf(id))))
  return found.filter((folder) => folder !== undefined)
}

/** Where the group of a container may be: Docker's driver is cgroupfs or systemd. */
function foldersOf(id: string): string[] {
  return hierarchies.flatMap((root) => [`${root}/docker/${id}`, `${root}/system.slice/docker-${id}.scope`])
}

async function firstReadable(folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) if ((await readText(`${folder}/memory.stat`)) !== undefined) return folder
  return undefined
}

/** What a control group holds and cannot give back: anonymous and shared memory, and the kernel's for it. */
async function bytesOfGroup(folder: string): Promise<number> {
  const [stat = '', kernel = '0'] = await Promise.all([
    readText(`${folder}/memory.stat`),
    readText(`${folder}/memory.kmem.usage_in_bytes`),
  ])
  return memoryIn(stat, Number(kernel))
}

/**
 * Bytes by a memory.stat.
 *
 * @param kernel the kernel's own, which version 1 has in a file of its own
 */
export function memoryIn(stat: string, kernel: number): number {
  const value = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0)
  // Version 1 has both the group's own numbers and, as total_, those with all groups below.
  return stat.includes('total_rss ')
    ? value('total_rss') + value('total_shmem') + kernel
    : value('anon') + value('shmem') + value('kernel')
}

/** Resident memory of a process and of all that it has started. */
export async function bytesOfTree(pid: number): Promise<number> {
  const [status, children = ''] = await Promise.all([
    readText(`/proc/${pid}/status`),
    readText(`/proc/${pid}/task/${pid}/children`),
  ])
  const own = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status ?? '')?.[1] ?? 0) * 1_024
  const below = children.split(' ').filter(Boolean).map(Number)
  return own + sum(await Promise.all(below.map(bytesOfTree)))
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
