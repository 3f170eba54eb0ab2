import type { V1Node, V1Pod } from '@kubernetes/client-node'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { agentVersion } from '../helpers/agent/bundle.ts'
import { awaitUntil } from '../helpers/await.ts'
import { budgets } from '../helpers/budgets.ts'
import { SetupError, messageOf } from '../helpers/errors.ts'
import { run } from '../helpers/exec.ts'
import {
  fixtureObjects,
  handMadeSlice,
  usedNamespaces,
  type FixtureOptions,
} from '../helpers/fixture-objects.ts'
import { programName } from '../helpers/fixture-pods.ts'
import { apiMessage, type Kube } from '../helpers/kube.ts'
import { legHandleSchema, type LegHandle } from '../helpers/leg-handle.ts'
import type { Cni } from './cni/cni.ts'
import { definitionSchema, type ClusterDefinition } from './definition-schema.ts'
import { provenanceSchema } from './images/provider.ts'
import { find, isForeign, isOurs, remove, textOf, type Found } from './run-objects.ts'
import { listLeases } from './sweep.ts'

/**
 * What a cluster was made of, written beside its journal, so that a later run can go on with it where the cluster was kept;
 * and what has become of it since.
 */

const fileName = 'made.json'

const nodeSchema = z.strictObject({ name: z.string(), address: z.string(), kubernetes: z.string() })
const agentSchema = z.strictObject({ node: z.string(), image: z.string() })

const madeSchema = z.strictObject({
  /** Absolute path of the definition's file. */
  file: z.string(),
  definition: definitionSchema,
  /** Version of the program in the fixture pods. */
  agent: z.string(),
  handle: legHandleSchema,
  /** Paths by file name, and where everything came from. */
  manifests: z.record(z.string(), z.string()),
  provenance: z.array(provenanceSchema),
  nodes: z.array(nodeSchema),
  /** The CNI's pods on the nodes. */
  agents: z.array(agentSchema),
})
/** All that a run must know of a cluster that it did not make. */
export type MadeCluster = z.infer<typeof madeSchema>

/** What was made, without what is read off the cluster itself. */
export type Making = Omit<MadeCluster, 'agent' | 'nodes' | 'agents'>

/**
 * Writes down what a cluster is made of, when all of it stands.
 *
 * @param dir of its lease
 */
export async function recordMade(dir: string, making: Making, standing: Standing): Promise<void> {
  const made: MadeCluster = {
    ...making,
    agent: agentVersion,
    ...partsOf(await readParts(standing), standing.cni.pods),
  }
  const file = join(dir, fileName)
  await writeFile(`${file}.new`, JSON.stringify(made), { mode: 0o600 })
  await rename(`${file}.new`, file)
}

/**
 * Reads it.
 *
 * @throws {SetupError} when the cluster was not finished, or another version of this program made it
 */
export async function readMade(dir: string): Promise<MadeCluster> {
  try {
    return madeSchema.parse(JSON.parse(await readFile(join(dir, fileName), 'utf8')))
  } catch (cause) {
    throw new SetupError({
      what: `what the cluster was made of cannot be read: ${dir}`,
      seen: messageOf(cause),
      next: 'it was made by another version of this program, or its run died before it stood: make a new one',
      cause,
    })
  }
}

/** Names of the clusters that were kept, with the directories of their leases. */
export async function keptClusters(): Promise<ReadonlyMap<string, string>> {
  const leases = await listLeases()
  return new Map(leases.filter(({ journal }) => journal.kept).map(({ cluster, dir }) => [cluster, dir]))
}

/** A cluster that is looked at. */
interface Standing {
  kube: Kube
  cni: Pick<Cni, 'pods'>
}

/** The nodes and the CNI's pods on them, as the API has them. */
interface Parts {
  nodes: readonly V1Node[]
  pods: readonly V1Pod[]
}

async function readParts({ kube, cni }: Standing): Promise<Parts> {
  const { namespace, labelSelector } = cni.pods
  const [nodes, pods] = await Promise.all([
    kube.core.listNode(),
    kube.core.listNamespacedPod({ namespace, labelSelector }),
  ])
  return { nodes: nodes.items, pods: pods.items }
}

/** What of them must stay as it is. Pure. */
export const partsOf = (
  { nodes, pods }: Parts,
  { container }: Pick<Cni['pods'], 'container'>,
): Pick<MadeCluster, 'nodes' | 'agents'> => ({
  nodes: nodes.map(({ metadata, status }) => ({
    name: metadata?.name ?? '',
    address: status?.addresses?.find(({ type }) => type === 'InternalIP')?.address ?? '',
    kubernetes: status?.nodeInfo?.kubeletVersion ?? '',
  })),
  agents: pods.map(({ spec }) => ({
    node: spec?.nodeName ?? '',
    image: spec?.containers.find(({ name }) => name === container)?.image ?? '',
  })),
})

/**
 * What is not as it was when the cluster was made, or not as the definition says now: one line for each field. Empty for a
 * cluster that a run can go on with.
 */
export async function differencesOf(
  made: MadeCluster,
  definition: ClusterDefinition,
  standing: Standing,
): Promise<string[]> {
  const { kube, cni } = standing
  const program =
    made.agent === agentVersion
      ? []
      : [`fixtures.program: cluster has ${made.agent}, this version brings ${agentVersion}`]
  const seen = async (what: string, look: () => Promise<string[]>): Promise<string[]> => {
    try {
      return await look()
    } catch (error) {
      return [`${what}: ${apiMessage(error)}`]
    }
  }
  const looks = [
    seen('nodes', async () => partDifferences(made, await readParts(standing), cni.pods)),
    seen('fixtures', () => foreignObjects(made.handle, kube)),
    seen('outside', () => outsideDifferences(made.handle)),
  ]
  return [
    ...definitionDifferences(made.definition, definition),
    ...program,
    ...(await Promise.all(looks)).flat(),
  ]
}

/** What a definition says of a cluster that is not told when it is made: its name in reports, and what it claims. */
const claims: ReadonlySet<string> = new Set(['name', 'features', 'expect'])

/** Every field in which two definitions make different clusters. Pure. */
export function definitionDifferences(made: ClusterDefinition, now: ClusterDefinition): string[] {
  const [before, after] = [fieldsOf(made), fieldsOf(now)]
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((field) => !claims.has(field.split('.')[0] ?? '') && before.get(field) !== after.get(field))
    .map(
      (field) =>
        `${field}: cluster has ${before.get(field) ?? 'none'}, file says ${after.get(field) ?? 'none'}`,
    )
}

/** The leaves of plain data by their paths. */
function fieldsOf(data: object, path = ''): Map<string, string> {
  const entries = Object.entries(data).flatMap(([key, value]: [string, unknown]): [string, string][] => {
    if (value === undefined) return []
    if (typeof value === 'object' && value !== null) return [...fieldsOf(value, `${path}${key}.`)]
    return [[`${path}${key}`, JSON.stringify(value).replaceAll('"', '')]]
  })
  return new Map(entries)
}

/** Nodes and pods of the CNI that are not Ready, or not those that were there. Pure. */
export function partDifferences(
  made: Pick<MadeCluster, 'nodes' | 'agents'>,
  parts: Parts,
  pods: Pick<Cni['pods'], 'container'>,
): string[] {
  const isReady = (conditions: { type: string; status: string }[] = []): boolean =>
    conditions.some(({ type, status }) => type === 'Ready' && status === 'True')
  const off = parts.nodes
    .filter(({ status }) => !isReady(status?.conditions))
    .map(({ metadata }) => `nodes.${metadata?.name}: not Ready`)
  const down = parts.pods
    .filter(({ status }) => !isReady(status?.conditions))
    .map(({ metadata, spec }) => `cni.${spec?.nodeName}: pod ${metadata?.name} is not Ready`)
  const [before, after] = [textsOf(made), textsOf(partsOf(parts, pods))]
  const changed = [...new Set([...before.keys(), ...after.keys()])]
    .filter((field) => before.get(field) !== after.get(field))
    .map((field) => `${field}: was made as ${before.get(field) ?? 'none'}, is ${after.get(field) ?? 'none'}`)
  return [...off, ...down, ...changed]
}

const textsOf = ({ nodes, agents }: Pick<MadeCluster, 'nodes' | 'agents'>): Map<string, string> =>
  new Map([
    ...nodes.map(({ name, address, kubernetes }): [string, string] => [
      `nodes.${name}`,
      `${address} ${kubernetes}`,
    ]),
    ...agents.map(({ node, image }): [string, string] => [`cni.${node}`, image]),
  ])

/** Objects of others where the checks work: nobody may delete them, and nothing can be said beside them. */
async function foreignObjects(handle: LegHandle, kube: Kube): Promise<string[]> {
  const all = await find(kube, usedNamespaces(handle))
  return all
    .filter((each) => isForeign(each, [programName]))
    .map((each) => `fixtures: ${textOf(each)} is not ours`)
}

async function outsideDifferences({ outside }: LegHandle): Promise<string[]> {
  if (outside === undefined) return []
  const argv = ['docker', 'inspect', '--format', '{{.State.Running}}', outside.container]
  const { stdout } = await run(argv, { timeoutMs: budgets.dockerAnswerMs.ms, allowFailure: true })
  return stdout.trim() === 'true' ? [] : [`outside: container ${outside.container} does not run`]
}

/**
 * Deletes what the checks of a run that died have left beside the fixtures: policies, Services and pods of their own. All
 * of it has our label.
 *
 * @returns what was deleted
 */
export async function removeLeftovers(
  kube: Kube,
  options: FixtureOptions,
  onSeen: (seen: string) => void,
): Promise<string[]> {
  const fixtures = [...fixtureObjects(options), handMadeSlice('', options)]
  const keep = new Set(fixtures.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`))
  const isLeft = (each: Found): boolean =>
    isOurs(each) && !keep.has(`${each.namespace}/${each.name}`) && !isMadeByTheCluster(each)
  const removed = new Set<string>()
  await awaitUntil(
    async () => {
      const left = (await find(kube, usedNamespaces(options))).filter(isLeft)
      await Promise.all(left.map((each) => remove(kube, each)))
      for (const each of left) removed.add(textOf(each))
      return left.length === 0
        ? { done: true, value: undefined }
        : { done: false, seen: left.map(textOf).join(', ') }
    },
    {
      what: 'what an earlier run left to be gone',
      budget: budgets.givenDeleteMs,
      next: 'look at the objects that are named',
      onSeen,
    },
  )
  return [...removed]
}

/** The EndpointSlices of a Service bear the Service's labels, and go with it. */
const isMadeByTheCluster = ({ kind, metadata }: Found): boolean =>
  kind === 'endpointslices' && metadata.labels?.['endpointslice.kubernetes.io/managed-by'] !== undefined
