import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { cniModule, cnis } from '../clusters/cni/all.ts'
import type { Cni, CniContext } from '../clusters/cni/cni.ts'
import type { ClusterDefinition, LoadedDefinition } from '../clusters/definition.ts'
import type { PreparedImages } from '../clusters/images/prepare.ts'
import { identifyNetwork } from '../clusters/identify.ts'
import { recordMade, type Making } from '../clusters/kept.ts'
import { createCluster, earlyKubeconfig, nodeNames, unpackImage } from '../clusters/kind.ts'
import type { Lease } from '../clusters/lease.ts'
import { startOutside } from '../clusters/outside.ts'
import { captureOnKindNode } from '../clusters/packets.ts'
import { keepServicesInside } from '../clusters/wall.ts'
import { renewStrandedPods } from '../clusters/stranded-pods.ts'
import { coverageOf, coverNodes, type ChosenNodes } from '../helpers/coverage/coverage.ts'
import { collectEvidence } from '../helpers/evidence.ts'
import type { FixtureOptions } from '../helpers/fixture-objects.ts'
import { raiseFixtures } from '../helpers/fixtures.ts'
import { connectKube, type Kube } from '../helpers/kube.ts'
import { accessTo, declaredBy, legHandleFile, writeLegHandle, type LegHandle } from '../helpers/leg-handle.ts'
import { runOnKindNode } from '../helpers/nodes.ts'
import { readNodes, workersOf, type WorldNode } from '../helpers/world.ts'
import type { TestOptions } from './options.ts'
import type { LegRun, Standing } from './source.ts'

/** How a cluster is made. */
export type MakeOptions = Pick<TestOptions, 'images' | 'install' | 'keep' | 'coverage'>

/** A leg whose cluster is made for it. */
export interface MadeLeg extends LegRun {
  cluster: LoadedDefinition
  options: MakeOptions
}

/** A cluster that is ours, with its fixtures running. */
export interface Made {
  kube: Kube
  nodes: WorldNode[]
  chosen: ChosenNodes
  handle: LegHandle
  cniContext: CniContext
}

/** The fixture namespaces of our own clusters. */
const namespaces = {
  main: 'cni-conformance',
  other: 'cni-conformance-other',
  host: 'cni-conformance-host',
}

/** What a machine brings to a leg. */
export interface Machine {
  shim: string | undefined
  images: PreparedImages
}

/**
 * The cluster, the CNI and the fixtures. The CNI is applied as soon as the API server answers, while kind is still
 * joining workers. The fixtures wait for it: a pod whose network is not there yet goes into a back-off of 10 s.
 */
export async function bringUp(leg: MadeLeg, lease: Lease, { images, shim }: Machine): Promise<Standing> {
  const { cluster, log, runId } = leg
  const { definition } = cluster
  const stopped = new AbortController()
  const signal = AbortSignal.any([leg.signal, stopped.signal])
  const creating = log.phase('create', `create cluster ${lease.cluster}`, (step) =>
    createCluster(definition, {
      lease,
      kindBinary: images.kindBinary,
      image: images.nodeImage,
      progress: step,
      signal: leg.signal,
      ...(shim === undefined ? {} : { shim }),
    }),
  )
  // A creation that fails ends every wait for its parts; its own error is the one to show.
  const failed = creating.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => {
      stopped.abort(error)
      throw error
    },
  )
  const kubeconfig = await Promise.race([failed, earlyKubeconfig(lease, { signal })])
  const kube = connectKube(kubeconfig)
  const names = nodeNames(lease.cluster, definition)
  const cniContext = cniContextOf(kube, definition, images, names)
  for (const node of names.slice(definition.nodes.controlPlane)) {
    for (const image of Object.values(images.fixtureImages)) void unpackImage(node, image, signal)
  }
  const rest = async (): Promise<Made> => {
    await installCni(leg, cniContext, creating, signal)
    const nodes = await readNodes(kube)
    const chosen = chosenNodes(leg, nodes)
    const { workers } = chosen
    const fixtures: FixtureOptions = {
      runId,
      namespaces,
      images: images.fixtureImages,
      workers,
      hostNetwork: true,
      hostPort: definition.features.includes('host-port'),
      ownCluster: true,
    }
    const outside = await log.phase('fixtures', 'fixture pods', async (step) => {
      const [server] = await Promise.all([
        startOutside(lease, images.outsideImage, signal),
        raiseFixtures(kube, { ...fixtures, onSeen: (seen) => step.update(seen), signal }),
        keepServicesInside(names, definition.network.serviceSubnet, runOnKindNode),
      ])
      return server
    })
    const handle: LegHandle = {
      ...fixtures,
      outside,
      namespaces,
      kubeconfig,
      workers,
      seed: leg.options.coverage.seed,
      podSubnet: definition.network.podSubnet,
      cni: {
        name: definition.cni.name,
        version: definition.cni.version,
        encapsulation: definition.cni.encapsulation,
        module: cniModule(definition.cni.name),
      },
      kubeProxy: definition.network.kubeProxy,
      features: definition.features,
      expect: definition.expect,
    }
    return { kube, nodes, chosen, handle, cniContext }
  }
  try {
    const made = await Promise.race([failed, rest()])
    await creating
    const { manifests, provenance } = images
    const making = { file: resolve(cluster.file), definition, handle: made.handle, manifests, provenance }
    return await standOn(leg, made, () => remember(lease, making, made.kube, leg.options))
  } catch (error) {
    if (!signal.aborted) await setupEvidence(leg, kube)
    throw error
  }
}

/** What was made can be gone on with; whoever keeps it in any case keeps it from now on, also when this process dies. */
async function remember(lease: Lease, making: Making, kube: Kube, { keep }: MakeOptions): Promise<void> {
  await recordMade(lease.dir, making, { kube, cni: cniOf(making.definition) })
  if (keep === 'always') await lease.keep()
}

/** A leg on a cluster of ours, wherever that comes from. */
export type OwnLeg = Pick<MadeLeg, 'cluster' | 'checks' | 'log' | 'folder'>

/**
 * Checks that a cluster with its fixtures is what its definition says, and tells other processes of it.
 *
 * @param before what is done between the two
 * @throws {SetupError} when it is another network than the definition declares
 */
export async function standOn(
  leg: OwnLeg,
  made: Made,
  before: () => Promise<void> = () => Promise.resolve(),
): Promise<Standing> {
  await mkdir(leg.folder, { recursive: true })
  await writeLegHandle(join(leg.folder, legHandleFile), made.handle)
  await identify(leg, made)
  await before()
  return standingOf(leg, made)
}

/** Which workers get fixture pods; a control plane takes none. */
function chosenNodes({ checks, options }: MadeLeg, nodes: readonly WorldNode[]): ChosenNodes {
  const byName = new Map(nodes.map((node) => [node.name, node]))
  const [first, second, ...others] = workersOf(nodes).map((name) => byName.get(name) ?? { name })
  const chosen = coverNodes(
    [first ?? { name: '' }, second ?? { name: '' }, ...others],
    checks,
    options.coverage,
  )
  const planes = nodes.filter(({ role }) => role === 'control-plane')
  return {
    ...chosen,
    leftOut: [...planes.map(({ name }) => ({ name, why: 'control plane' })), ...chosen.leftOut],
  }
}

function standingOf(
  { cluster: { definition }, checks }: OwnLeg,
  { kube, nodes, chosen, handle }: Made,
): Standing {
  const access = accessTo(handle, cniOf(definition))
  return {
    coverage: coverageOf(chosen, nodes, checks, handle.seed),
    session: { kube, declared: declaredBy(handle), ...handle, access },
    evidence: evidenceSource(definition, kube, nodes),
  }
}

/** Why the network did not come up is in the pods, their events and logs, which are gone with the cluster. */
export async function setupEvidence({ log, cluster, folder }: OwnLeg, kube: Kube): Promise<void> {
  await log.phase('evidence', 'evidence of what did not come up', async () => {
    const source = evidenceSource(cluster.definition, kube, await readNodes(kube))
    await collectEvidence(source, [], join(folder, 'evidence'))
  })
}

/** What a CNI is asked with. */
export function cniContextOf(
  kube: Kube,
  definition: ClusterDefinition,
  { manifests }: Pick<PreparedImages, 'manifests'>,
  [controlPlane = '', ...others]: readonly string[],
): CniContext {
  return {
    kube,
    kubernetes: definition.kubernetes,
    network: definition.network,
    encapsulation: definition.cni.encapsulation,
    controlPlane,
    manifests,
    runOnNode: runOnKindNode,
    nodeCount: 1 + others.length,
  }
}

/** The installer of a definition's CNI. */
export function cniOf(definition: ClusterDefinition): Cni {
  const cni = cnis[definition.cni.name]
  if (cni === undefined) throw new Error(`no installer for CNI ${definition.cni.name}`)
  return cni
}

async function installCni(
  leg: MadeLeg,
  context: CniContext,
  creating: Promise<unknown>,
  signal: AbortSignal,
): Promise<void> {
  const { definition } = leg.cluster
  const cni = cniOf(definition)
  await leg.log.phase('cni', `${definition.cni.name} ${definition.cni.version}`, async (step) => {
    await cni.install({ ...context, signal })
    // Before kind has joined every node, "all that are wanted" is not yet all.
    await creating
    await cni.ready({ ...context, signal, onSeen: (seen) => step.update(seen) })
    await renewStrandedPods(context.kube)
  })
}

async function identify({ cluster, log }: OwnLeg, { nodes, handle, cniContext }: Made): Promise<void> {
  const { definition } = cluster
  const [withPods] = handle.workers
  const network = await identifyNetwork(cniOf(definition), cniContext, withPods, definition)
  const { version, encapsulation, dataPlane, kubeProxy, mtu } = network
  const [first] = nodes
  log.identity({
    kubernetes: first?.kubernetes ?? definition.kubernetes,
    cni: {
      name: definition.cni.name,
      version,
      encapsulation,
      dataPlane,
    },
    kubeProxy,
    ...(mtu === undefined ? {} : { mtu }),
    kernel: first?.kernel ?? '',
    containerRuntime: first?.containerRuntime ?? '',
    nodes: nodes.map(({ name, role, address, podCIDR }) => ({
      name,
      role,
      address,
      ...(podCIDR === undefined ? {} : { podCIDR }),
    })),
  })
}

/** Where the evidence of one of our own clusters comes from. */
const evidenceSource = (definition: ClusterDefinition, kube: Kube, nodes: readonly WorldNode[]) => ({
  kube,
  nodes: nodes.map(({ name }) => name),
  runOnNode: runOnKindNode,
  capture: captureOnKindNode,
  cni: cniOf(definition),
})
