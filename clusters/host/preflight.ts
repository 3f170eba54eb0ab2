import { SetupError } from '../../helpers/errors.ts'
import type { SetupFailure } from '../../helpers/errors.ts'
import type { Progress } from '../../helpers/progress.ts'
import { lookAtDocker } from './docker-look.ts'
import type { DockerServer } from './docker-look.ts'
import { diskFreeMiB, readHostFacts } from './facts.ts'
import type { InotifyLimits } from './facts.ts'
import { inotifyInUse, inotifyShortages, raiseInotify } from './inotify.ts'
import { kernelFailures, readKernelFeatures } from './kernel.ts'
import type { KernelFeature, Presence } from './kernel.ts'

/** What a node takes: a cluster of three takes up to 2 GB in all while it is checked, see capacity.ts. */
const memoryPerNodeMiB = 600

/** Left for the runner, Docker and the page cache. */
export const memoryReserveMiB = 1_024

/** What a node writes: unpacked images, etcd, logs; the node image itself is there already. */
const diskPerNodeMiB = 1_024

/** Below this, kubelet starts to evict pods for want of disk; it would do so in every node at once. */
const diskReserveMiB = 2_048

/** What is asked of the machine. */
export interface PreflightNeeds {
  nodes: number
  /** Kernel features without which the definition can't work, such as `ipvs` for that mode of kube-proxy. */
  kernel?: readonly KernelFeature[]
  /** False forbids to raise the inotify limits. */
  install: boolean
  progress: Progress
}

/** What the machine has; a parameter only so that tests can have less. */
export interface PreflightMachine {
  memoryAvailableMiB: number
  /** Undefined where Docker's files are on another machine. */
  diskFreeMiB: number | undefined
  inotify: (InotifyLimits & { inUse: number }) | undefined
  kernel: Readonly<Record<KernelFeature, Presence>> | undefined
  /** Whether we may write sysctls. */
  root: boolean
}

/**
 * Makes sure that a cluster of this size fits, before anything is created. Raises inotify limits where it may, and
 * says so.
 *
 * @throws {SetupError} naming everything that is short
 */
export async function preflight(needs: PreflightNeeds, machine?: PreflightMachine): Promise<void> {
  const has = machine ?? (await readMachine())
  const failures = [
    ...memoryFailures(needs.nodes, has.memoryAvailableMiB),
    ...diskFailures(needs.nodes, has.diskFreeMiB),
    ...kernelFailures(needs.kernel ?? [], has.kernel),
  ]
  failures.push(...(await mendInotify(needs, has)))
  const [first] = failures
  if (first === undefined) return
  if (failures.length === 1) throw new SetupError(first)
  throw new SetupError({
    what: failures.map(({ what }) => what).join('; '),
    seen: failures.map(({ seen }) => seen).join('; '),
    next: failures.map(({ next }) => next).join('; '),
  })
}

/** The present machine, as Docker sees it. */
export async function readMachine(): Promise<PreflightMachine> {
  const look = await lookAtDocker()
  if (look.state === 'answers' && !look.server.local) return remoteMachine(look.server)
  const rootDir = look.state === 'answers' ? look.server.rootDir : '/var/lib/docker'
  const [facts, inUse, kernel, free] = await Promise.all([
    readHostFacts(),
    inotifyInUse(),
    readKernelFeatures(),
    diskFreeMiB(rootDir),
  ])
  return {
    memoryAvailableMiB: facts.memoryAvailableMiB,
    diskFreeMiB: free,
    inotify: facts.inotify === undefined ? undefined : { ...facts.inotify, inUse },
    kernel,
    root: facts.root,
  }
}

/** Of a Docker elsewhere we know the memory it has, not what is left of it. */
function remoteMachine(server: DockerServer): PreflightMachine {
  const nothing = { diskFreeMiB: undefined, inotify: undefined, kernel: undefined, root: false }
  return { memoryAvailableMiB: server.memoryMiB, ...nothing }
}

/** What is wrong with the memory for a cluster of this size. */
export function memoryFailures(nodes: number, memoryAvailableMiB: number): SetupFailure[] {
  const needed = nodes * memoryPerNodeMiB + memoryReserveMiB
  if (memoryAvailableMiB >= needed) return []
  return [
    {
      what: `not enough memory for ${nodes} nodes`,
      seen: `${memoryAvailableMiB} MiB available, ${needed} MiB needed`,
      next: 'end other programs or clusters (`cni-conformance clean`), or declare fewer workers',
    },
  ]
}

/** What is wrong with the space for a cluster of this size; unknown space is right. */
export function diskFailures(nodes: number, free: number | undefined): SetupFailure[] {
  const needed = nodes * diskPerNodeMiB + diskReserveMiB
  if (free === undefined || free >= needed) return []
  return [
    {
      what: `not enough disk space where Docker keeps its files`,
      seen: `${free} MiB free, ${needed} MiB needed for ${nodes} nodes`,
      next: '`docker system df` says what Docker holds; `docker system prune` frees what nobody uses',
    },
  ]
}

async function mendInotify(
  needs: PreflightNeeds,
  { inotify, root }: PreflightMachine,
): Promise<SetupFailure[]> {
  if (inotify === undefined) return []
  const failures: SetupFailure[] = []
  for (const shortage of inotifyShortages(inotify, needs.nodes, inotify.inUse)) {
    const { sysctl, has, needs: needed, wanted } = shortage
    const mended =
      needs.install &&
      root &&
      (await raiseInotify(shortage).then(
        () => true,
        () => false,
      ))
    if (mended)
      needs.progress.note(
        `Raised ${sysctl} from ${has} to ${wanted} until the next boot: ${needs.nodes} nodes need ${needed}.`,
      )
    else {
      failures.push({
        what: `${sysctl} is too low for ${needs.nodes} nodes`,
        seen: `${has}, needed ${needed}, of which ${inotify.inUse} instances are in use now; beyond it kube-proxy and CNI die with "too many open files"`,
        next: `as root: sysctl -w ${sysctl}=${wanted}`,
      })
    }
  }
  return failures
}
