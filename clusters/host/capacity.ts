import { availableParallelism } from 'node:os'
import { inotifyShortages } from './inotify.ts'
import { diskFailures, memoryReserveMiB, readMachine } from './preflight.ts'
import type { PreflightMachine } from './preflight.ts'

/** A cluster that is to stand beside others. */
export interface ClusterSize {
  controlPlane: number
  workers: number
  /** What its CNI takes on each node, in MiB. */
  cniMiB: number
}

/** How many clusters may stand at once. */
export interface Capacity {
  jobs: number
  /** Memory that the largest so many take. */
  budgetMiB: number
  /** Nodes of the largest so many. */
  nodes: number
  /** Why it is not more; undefined when it is all of them. */
  limit: string | undefined
}

/** What {@link capacityFor} looks at. */
export interface CapacityMachine extends PreflightMachine {
  cpus: number
}

/**
 * What a node takes at most without its CNI, with the fixtures and the pods that checks start for themselves. A leg on
 * Calico and one on Cilium, side by side, took 5,129 MiB at most; 5,430 are planned for them.
 */
const [controlPlaneMiB, workerMiB] = [600, 520]

/** The process that runs a leg: Node.js 190, kind and its Docker clients up to 150. */
const runnerMiB = 400

/**
 * Clusters per processor. Three at once on two processors took longer than one after the other: their checks wait for each
 * other's processor time, and answers came seconds late.
 */
const clustersPerCpu = 1

/** Memory of one cluster and the process that runs it. */
export function memoryOf({ controlPlane, workers, cniMiB }: ClusterSize): number {
  return controlPlane * (controlPlaneMiB + cniMiB) + workers * (workerMiB + cniMiB) + runnerMiB
}

const nodesOf = ({ controlPlane, workers }: ClusterSize): number => controlPlane + workers

/**
 * How many of these clusters may stand at once. At least one: whether that one fits is for `preflight` to say.
 *
 * @param atMost what the user says; otherwise as many as the processors are good for
 */
export function capacityFor(
  clusters: readonly ClusterSize[],
  machine: CapacityMachine,
  atMost?: number,
): Capacity {
  const largest = clusters.toSorted((a, b) => memoryOf(b) - memoryOf(a))
  const byCpu = Math.max(1, Math.floor(machine.cpus * clustersPerCpu))
  const wanted = Math.min(clusters.length, atMost ?? byCpu)
  let limit =
    wanted === clusters.length
      ? undefined
      : atMost === undefined
        ? `${machine.cpus} ${machine.cpus === 1 ? 'processor is' : 'processors are'} good for ${byCpu}`
        : '--jobs says so'
  let jobs = wanted
  for (; jobs > 1; jobs--) {
    const short = shortageFor(largest.slice(0, jobs), machine)
    if (short === undefined) break
    limit = short
  }
  const standing = largest.slice(0, jobs)
  return {
    jobs,
    budgetMiB: sum(standing.map(memoryOf)),
    nodes: sum(standing.map(nodesOf)),
    limit,
  }
}

/** The first thing that is too little for these clusters at once. */
function shortageFor(
  clusters: readonly ClusterSize[],
  { memoryAvailableMiB, diskFreeMiB, inotify, root }: CapacityMachine,
): string | undefined {
  const nodes = sum(clusters.map(nodesOf))
  const needed = sum(clusters.map(memoryOf)) + memoryReserveMiB
  if (memoryAvailableMiB < needed)
    return `memory: ${memoryAvailableMiB} MiB available, ${needed} MiB needed for ${clusters.length}`
  const [disk] = diskFailures(nodes, diskFreeMiB)
  if (disk !== undefined) return `disk: ${disk.seen}`
  if (inotify === undefined || root) return undefined
  const [shortage] = inotifyShortages(inotify, nodes, inotify.inUse)
  return shortage === undefined
    ? undefined
    : `${shortage.sysctl}: ${shortage.has}, ${shortage.needs} needed for ${nodes} nodes, and only root may raise it`
}

/** The machine as it is now. */
export async function readCapacityMachine(): Promise<CapacityMachine> {
  return { ...(await readMachine()), cpus: availableParallelism() }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)
