import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { V1Node } from '@kubernetes/client-node'
import type { LoadedDefinition } from '../clusters/definition.ts'
import { borrowedNamespaces, sweepBorrowed } from '../clusters/given/borrowed-namespaces.ts'
import { connectGiven, marksOf, serverVersion } from '../clusters/given/connection.ts'
import { refuseForeignPolicies } from '../clusters/given/foreign-policies.ts'
import { namesFrom, takenNames, type Home } from '../clusters/given/housing.ts'
import { chooseWorkers } from '../clusters/given/nodes.ts'
import { ownNames, ownNamespaces, sweepNamespaces } from '../clusters/given/own-namespaces.ts'
import { budgets } from '../helpers/budgets.ts'
import { SetupError } from '../helpers/errors.ts'
import { collectEvidence, type EvidenceSource } from '../helpers/evidence.ts'
import { coverageOf, type ChosenNodes } from '../helpers/coverage/coverage.ts'
import type { Workers } from '../helpers/fixture-nodes.ts'
import type { FixtureOptions } from '../helpers/fixture-objects.ts'
import { raiseFixtures } from '../helpers/fixtures.ts'
import { apiMessage, type Kube } from '../helpers/kube.ts'
import { declaredBy } from '../helpers/leg-handle.ts'
import { undeclared } from '../helpers/outcome.ts'
import type { SessionOptions } from '../helpers/session.ts'
import { worldNodes, type WorldNode } from '../helpers/world.ts'
import type { GivenOptions } from './options.ts'
import { declaredCluster } from './run-log.ts'
import type { ClusterSource, DeclaredCluster, LegRun, Standing } from './source.ts'

/** A cluster that stands already: two namespaces of it are ours for the time of a run, and nothing else. */
export function givenCluster(given: GivenOptions, definition: LoadedDefinition | undefined): ClusterSource {
  const { context, server } = given.context
  const declared = definition === undefined ? undeclaredCluster(context) : asWritten(definition)
  return {
    cluster: { ...declared, given: { context, server } },
    async stand(leg, lend) {
      const guest = guestOf(given, leg.runId)
      const found = await connect(leg, given, guest)
      const { workers } = found
      const { home } = guest
      const { user } = given.context
      leg.say(
        `server ${server}, context ${context}, user ${user}; namespaces ${takenNames(home.namespaces).join(' and ')} for this run, on ${nodesText(workers)}`,
      )
      lend({
        what: home.what,
        byHand: home.byHand,
        delete: () =>
          leg.log.phase('delete', `delete ${home.what}`, (step) => home.leave((seen) => step.update(seen))),
        async keep() {
          const expires = await home.keep()
          return `they expire at ${expires.toISOString()}; ${home.byHand}`
        },
      })
      return await settle(leg, given, definition, guest, found)
    },
  }
}

/** All of a few nodes, and how many more there are of many. */
const nodesText = (workers: readonly string[]): string =>
  workers.length <= 5
    ? `nodes ${workers.slice(0, -1).join(', ')} and ${workers.at(-1)}`
    : `${workers.length} nodes, ${workers.slice(0, 3).join(', ')} and so on`

/** Its definition without the defaults, which are those of the clusters that we make. */
function asWritten(definition: LoadedDefinition): DeclaredCluster {
  const cluster = declaredCluster(definition)
  const network = Object.entries(cluster.definition.network).map(([key, value]) => [
    key,
    definition.isWritten(['network', key]) ? value : undeclared,
  ])
  return {
    ...cluster,
    definition: {
      ...cluster.definition,
      network: Object.fromEntries(network) as typeof cluster.definition.network,
    },
  }
}

/** What reports say of a cluster that nobody has described. */
function undeclaredCluster(context: string): DeclaredCluster {
  const definition: DeclaredCluster['definition'] = {
    kubernetes: undeclared,
    network: { ipFamily: undeclared, kubeProxy: undeclared },
    cni: { name: undeclared, version: undeclared },
    features: [],
  }
  const sha256 = createHash('sha256').update(JSON.stringify(definition)).digest('hex')
  return { name: legName(context), definition, file: 'no definition', sha256 }
}

/** Names of contexts are any text, `arn:aws:eks:…` for one; those of legs are names of folders and files, too. */
function legName(context: string): string {
  const plain = context.toLowerCase().replace(/[^a-z0-9]+/g, '-')
  const name = plain.slice(0, 63).replace(/^-+|-+$/g, '')
  return name === '' ? 'cluster' : name
}

/** A run on somebody else's cluster: its connection, and where it lives. */
export interface Guest {
  kube: Kube
  home: Home
  runId: string
}

/** The connection of a run and its namespaces, of which nothing exists yet. */
export function guestOf({ context: given, namespace, runMs }: GivenOptions, runId: string): Guest {
  const expires = new Date(Date.now() + runMs + budgets.givenExpiryMs.ms)
  const names = namespace === undefined ? ownNames(runId) : namesFrom(namespace)
  const kube = connectGiven(given, {
    housing: namespace === undefined ? 'own' : 'borrowed',
    namespaces: takenNames(names),
    marks: marksOf(runId, expires),
  })
  const context = { given, kube, runId }
  const home = namespace === undefined ? ownNamespaces(context) : borrowedNamespaces(context, namespace)
  return { kube, home, runId }
}

/** The nodes of a cluster, and those that get fixture pods. */
interface Found extends ChosenNodes {
  nodes: readonly WorldNode[]
}

/** Reads only: is the cluster there, and which of its nodes get fixture pods? */
async function connect(leg: LegRun, given: GivenOptions, { kube }: Guest): Promise<Found> {
  const { context } = given
  return leg.log.phase('connect', `connect to ${context.server}`, async () => {
    const version = await serverVersion(kube, context)
    const items = await listNodes(kube)
    const nodes = worldNodes(items)
    const each = (what: 'kernel' | 'containerRuntime'): string =>
      [...new Set(nodes.map((node) => node[what]))].join(', ')
    leg.log.identity({
      kubernetes: version,
      kernel: each('kernel'),
      containerRuntime: each('containerRuntime'),
      nodes: nodes.map(({ name, role, address, podCIDR }) => ({
        name,
        role,
        address,
        ...(podCIDR === undefined ? {} : { podCIDR }),
      })),
    })
    return { nodes, ...chooseWorkers(items, given, leg.checks) }
  })
}

/** All nodes as the API has them. */
export async function listNodes(kube: Kube): Promise<V1Node[]> {
  try {
    return (await kube.core.listNode()).items
  } catch (error) {
    throw new SetupError({
      what: 'the nodes of the cluster cannot be listed',
      seen: apiMessage(error),
      next: '`cni-conformance rbac` prints the role that a run needs',
      cause: error,
    })
  }
}

/** The fixtures of a run on this cluster. */
export const fixturesOf = (
  { images }: GivenOptions,
  { home, runId }: Guest,
  workers: Workers,
): FixtureOptions => ({
  runId,
  namespaces: home.namespaces,
  images,
  workers,
  hostNetwork: false,
  hostPort: false,
  namespacesExist: true,
})

/** What a session on this cluster knows of it. */
export function sessionOf(
  definition: LoadedDefinition | undefined,
  { kube, home }: Guest,
  workers: Workers,
  seed: string,
): SessionOptions {
  const { features, expect, network } = definition?.definition ?? { features: [], expect: [] }
  // Its default is that of the clusters that we make: a guess about any other.
  const says = definition?.isWritten(['network', 'podSubnet']) === true
  return {
    kube,
    declared: {
      ...declaredBy({ features, expect }),
      ...(definition === undefined ? { byNobody: true } : {}),
    },
    namespaces: home.namespaces,
    workers,
    seed,
    podSubnet: says ? network?.podSubnet : undefined,
    // Pods with the network or with ports of a node take more rights than a guest has.
    hostNetwork: false,
    hostPort: false,
  }
}

/** Takes the namespaces and brings the fixtures up in them. */
async function settle(
  leg: LegRun,
  given: GivenOptions,
  definition: LoadedDefinition | undefined,
  guest: Guest,
  found: Found,
): Promise<Standing> {
  const { kube, home } = guest
  const { log, signal, checks } = leg
  const { workers, nodes } = found
  const { seed } = given.coverage
  const names = takenNames(home.namespaces)
  const evidence: EvidenceSource = { kube, nodes: [], within: names }
  await log.phase('namespaces', 'take the namespaces', async () => {
    const { removed } = await sweep(given, kube)
    if (removed.length > 0) leg.say(`removed what expired runs left: ${removed.join(', ')}`)
    signal.throwIfAborted()
    await home.take()
  })
  try {
    await log.phase('fixtures', 'fixture pods', async (step) => {
      await raiseFixtures(kube, {
        ...fixturesOf(given, guest, workers),
        budget: budgets.givenFixturesReadyMs,
        onSeen: (seen) => step.update(seen),
        signal,
      })
      await refuseForeignPolicies(kube, names)
    })
  } catch (error) {
    if (!signal.aborted) await setupEvidence(leg, evidence)
    throw error
  }
  return {
    session: sessionOf(definition, guest, workers, seed),
    coverage: coverageOf(found, nodes, checks, seed),
    evidence,
  }
}

/** Deletes what expired runs have left where this run would live. */
const sweep = ({ namespace }: Pick<GivenOptions, 'namespace'>, kube: Kube) =>
  namespace === undefined
    ? sweepNamespaces(kube, { wait: false })
    : sweepBorrowed(kube, takenNames(namesFrom(namespace)))

/** Why the pods did not come up is in them and their events, which go with the namespaces. */
async function setupEvidence({ log, folder }: LegRun, evidence: EvidenceSource): Promise<void> {
  await log.phase('evidence', 'evidence of what did not come up', async () => {
    await mkdir(folder, { recursive: true })
    await collectEvidence(evidence, [], join(folder, 'evidence'))
  })
}
