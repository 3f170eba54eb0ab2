import { budgets } from '../../helpers/budgets.ts'
import { messageOf } from '../../helpers/errors.ts'
import { run } from '../../helpers/exec.ts'
import { knownClusters, loadDefinitions } from '../definition.ts'
import { defaultCacheDir } from '../images/prepare.ts'
import { kernelNeeds, nodesKernel, refusalOf } from '../runnable.ts'
import { listLeases } from '../sweep.ts'
import { daemonHasSysResource, lookAtDocker } from './docker-look.ts'
import type { DockerLook } from './docker-look.ts'
import { diskFreeMiB, readHostFacts, toolVersion } from './facts.ts'
import type { HostFacts } from './facts.ts'
import { inotifyInUse, inotifyShortages } from './inotify.ts'
import { kernelFailures, kernelFeatures, readKernelFeatures } from './kernel.ts'
import type { KernelFeature, Presence } from './kernel.ts'
import { diskFailures, memoryFailures } from './preflight.ts'

/** One thing that `doctor` looked at. */
export interface DoctorItem {
  id: string
  /** `missing`: no run works as things are. `warning`: some legs, checks or ways to get images don't. */
  status: 'ok' | 'missing' | 'warning'
  /** What is there. */
  found: string
  /** What the gap costs; absent when there is none. */
  cost?: string
  /** The command or step that mends it; absent when there is none. */
  mend?: string
}

/** Nodes of the smallest cluster: what the machine must bear at least. */
const smallestCluster = 3

/** Looks at everything a run needs, side by side. Changes nothing, throws nothing; a few seconds at most. */
export async function diagnoseHost(): Promise<DoctorItem[]> {
  const [facts, look] = await Promise.all([readHostFacts(), lookAtDocker()])
  const groups = await Promise.all([
    dockerItems(look, facts),
    toolItems(),
    registryItem(),
    limitItems(look, facts),
    kernelItems(),
    clusterItems(),
    ownItems(),
  ])
  return [nodeItem(facts), goItem(facts), ...groups.flat()]
}

function nodeItem({ node }: HostFacts): DoctorItem {
  return { id: 'node', status: 'ok', found: `Node.js ${node}` }
}

function goItem({ go }: HostFacts): DoctorItem {
  if (go !== undefined) return { id: 'go', status: 'ok', found: `Go ${go}` }
  const cost = 'images cannot be built from source: a reachable registry or an archive is needed'
  return { id: 'go', status: 'warning', found: 'no Go', cost, mend: 'https://go.dev/doc/install' }
}

async function dockerItems(look: DockerLook, facts: HostFacts): Promise<DoctorItem[]> {
  if (look.state !== 'answers') {
    const install = 'npm start installs it (as root, on Debian); else https://docs.docker.com/engine/install/'
    const start = 'npm start starts it (as root); else make `docker info` answer'
    const mend = look.state === 'no-client' ? install : start
    return [{ id: 'docker', status: 'missing', found: look.seen, cost: 'no cluster at all', mend }]
  }
  const { version, client, cgroupVersion, defaultRuntime, local } = look.server
  const found = `Docker ${version}${client === '' ? '' : ` (client ${client})`}, cgroup v${cgroupVersion}, runtime ${defaultRuntime}`
  const able = local ? ((await daemonHasSysResource()) ?? true) : true
  const items: DoctorItem[] = [{ id: 'docker', status: 'ok', found }]
  if (cgroupVersion === 1) {
    items.push({
      id: 'cgroup',
      status: 'ok',
      found: 'cgroup v1: kubelet is told to accept it (failCgroupV1: false)',
    })
  }
  if (!able && defaultRuntime === 'runc') {
    items.push({
      id: 'docker-capability',
      status: 'missing',
      found: 'dockerd lacks CAP_SYS_RESOURCE, and its runtime is plain runc',
      cost: 'no cluster at all: privileged containers do not start',
      mend: facts.root
        ? 'npm start adds a runtime shim to Docker'
        : 'as root: npm start adds a runtime shim to Docker',
    })
  }
  return items
}

async function toolItems(): Promise<DoctorItem[]> {
  const [kind, debootstrap] = await Promise.all([
    toolVersion(['kind', 'version'], /v(\d+\.\d+\.\d+)/),
    toolVersion(['debootstrap', '--version'], /debootstrap (\S+)/),
  ])
  const ownKind = 'no kind in PATH: the pinned version is downloaded or built on first use'
  const cost = 'the node image cannot be built from source'
  return [
    { id: 'kind', status: 'ok', found: kind === undefined ? ownKind : `kind ${kind} in PATH` },
    debootstrap === undefined
      ? {
          id: 'debootstrap',
          status: 'warning',
          found: 'no debootstrap',
          cost,
          mend: 'apt-get install debootstrap',
        }
      : { id: 'debootstrap', status: 'ok', found: `debootstrap ${debootstrap}` },
  ]
}

const registries = ['https://registry.k8s.io/v2/', 'https://registry-1.docker.io/v2/', 'https://ghcr.io/v2/']

/** Any HTTP answer counts, also "log in first". */
async function registryItem(): Promise<DoctorItem[]> {
  const silent = await Promise.all(
    registries.map(async (address) => {
      try {
        const answer = await fetch(address, { signal: AbortSignal.timeout(budgets.registryAnswerMs.ms) })
        await answer.body?.cancel()
        return undefined
      } catch (error) {
        return `${new URL(address).host} (${messageOf(error instanceof Error ? (error.cause ?? error) : error)})`
      }
    }),
  )
  const reasons = silent.filter((reason) => reason !== undefined)
  if (reasons.length === 0) return [{ id: 'registries', status: 'ok', found: 'all registries answer' }]
  return [
    {
      id: 'registries',
      status: 'warning',
      found: `no answer from ${reasons.join(', ')}`,
      cost: 'images are built from source (25 min once on 2 cores) or come from an archive',
      mend: '--registry-mirror HOST, --images archive:DIR, or mend the way to the registries',
    },
  ]
}

async function limitItems(look: DockerLook, facts: HostFacts): Promise<DoctorItem[]> {
  // Of another machine's limits we know nothing.
  if (look.state === 'answers' && !look.server.local) return []
  const rootDir = look.state === 'answers' ? look.server.rootDir : '/var/lib/docker'
  const [free, inUse] = await Promise.all([diskFreeMiB(rootDir), inotifyInUse()])
  const nodes = smallestCluster
  const memory = memoryFailures(nodes, facts.memoryAvailableMiB)[0]
  const disk = diskFailures(nodes, free)[0]
  const missing = 'no cluster at all'
  const items: DoctorItem[] = [
    {
      id: 'memory',
      found: `${facts.memoryAvailableMiB} of ${facts.memoryTotalMiB} MiB available`,
      ...(memory === undefined ? { status: 'ok' } : { status: 'missing', cost: missing, mend: memory.next }),
    },
    {
      id: 'disk',
      found: `${free} MiB free in ${rootDir}`,
      ...(disk === undefined ? { status: 'ok' } : { status: 'missing', cost: missing, mend: disk.next }),
    },
  ]
  if (facts.inotify === undefined) return items
  const { maxUserInstances, maxUserWatches } = facts.inotify
  const found = `${inUse} of ${maxUserInstances} inotify instances in use, ${maxUserWatches} watches`
  const [short] = inotifyShortages(facts.inotify, nodes, inUse)
  if (short === undefined) return [...items, { id: 'inotify', status: 'ok', found }]
  const mend = `as root: sysctl -w ${short.sysctl}=${short.wanted} (npm start does it as root)`
  return [...items, { id: 'inotify', status: facts.root ? 'warning' : 'missing', found, cost: missing, mend }]
}

async function kernelItems(): Promise<DoctorItem[]> {
  const presence = await readKernelFeatures()
  const withState = (state: Presence): KernelFeature[] =>
    (Object.keys(kernelFeatures) as KernelFeature[]).filter((id) => presence[id] === state)
  const [present, unknown] = [withState('present'), withState('unknown')]
  const names = (ids: KernelFeature[]): string => ids.map((id) => kernelFeatures[id].name).join(', ')
  const items: DoctorItem[] = []
  if (present.length > 0)
    items.push({ id: 'kernel', status: 'ok', found: `the kernel has ${names(present)}` })
  if (unknown.length > 0) {
    items.push({
      id: 'kernel',
      status: 'ok',
      found: `the kernel does not say whether it has ${names(unknown)}`,
    })
  }
  const mend = 'a kernel with it, such as the one of Debian or Ubuntu'
  const absent = withState('absent').map((id): DoctorItem => {
    const { name, cost } = kernelFeatures[id]
    return { id: `kernel-${id}`, status: 'warning', found: `the kernel lacks ${name}`, cost, mend }
  })
  return [...items, ...absent]
}

/** Which of the clusters that come with the product cannot be run as things are. */
async function clusterItems(): Promise<DoctorItem[]> {
  const [loaded, kernel] = await Promise.all([loadDefinitions(await knownClusters()), nodesKernel()])
  const rows = loaded.map(({ definition }) => {
    const refusal = refusalOf(definition)
    const [lack] = kernelFailures(kernelNeeds(definition), kernel)
    const why = refusal?.why ?? lack?.what
    return { name: definition.name, why, mend: refusal?.next ?? lack?.next }
  })
  const able = rows.filter(({ why }) => why === undefined).map(({ name }) => name)
  return [
    { id: 'clusters', status: 'ok', found: `clusters that can be run here: ${able.join(', ')}` },
    ...rows.flatMap(({ name, why, mend }): DoctorItem[] => {
      if (why === undefined || mend === undefined) return []
      return [{ id: `cluster-${name}`, status: 'warning', found: why, cost: `no cluster ${name}`, mend }]
    }),
  ]
}

/** What is ours on this machine: the cache and the clusters. */
async function ownItems(): Promise<DoctorItem[]> {
  const cacheDir = defaultCacheDir()
  const [size, leases] = await Promise.all([
    run(['du', '-sh', cacheDir], { timeoutMs: budgets.toolVersionMs.ms }).then(
      ({ stdout }) => stdout.split('\t')[0] ?? '',
      () => undefined,
    ),
    listLeases().catch(() => []),
  ])
  const items: DoctorItem[] = [
    {
      id: 'cache',
      status: 'ok',
      found: size === undefined ? `${cacheDir} is empty` : `${cacheDir} holds ${size}`,
    },
  ]
  const left = leases.filter((lease) => lease.owner === 'dead')
  if (left.length > 0) {
    items.push({
      id: 'left-over',
      status: 'warning',
      found: `clusters without a run: ${left.map(({ cluster, journal }) => `${cluster}${journal.kept ? ' (kept)' : ''}`).join(', ')}`,
      cost: 'their memory, about 1 GB each',
      mend: 'cni-conformance clean',
    })
  }
  return items
}
