import { loadDefinitions } from '../clusters/definition.ts'
import { budgets } from '../helpers/budgets.ts'
import { run } from '../helpers/exec.ts'
import { faults } from '../suites/faults/catalogue.ts'
import { deal } from '../suites/faults/sample.ts'

/** The faults that one `npm test` makes on each of its clusters, as the environment of the detection tests takes them. */
export interface DealtFaults {
  /** Ids with blanks between, by the name of the cluster. */
  byCluster: ReadonlyMap<string, string>
  /** What was dealt and how to get the rest, one line for the user. */
  text: string
}

/**
 * Each fault on one of the clusters; on which, the commit decides, so that a commit is always tested in the same way and
 * each new one in another.
 *
 * @param clusters names or files of definitions
 */
export async function dealFaults(clusters: readonly string[], folder: string): Promise<DealtFaults> {
  const definitions = await loadDefinitions(clusters)
  const grounds = definitions.map(({ definition: { cni, features } }) => ({ cni, declared: { features } }))
  const commit = await commitOf(folder)
  const hands = deal(faults, grounds, Number.parseInt(commit.slice(0, 8), 16))
  const counts = clusters.map((cluster, at) => `${hands[at]?.length ?? 0} on ${cluster}`)
  return {
    byCluster: new Map(
      clusters.map((cluster, at) => [cluster, (hands[at] ?? []).map(({ id }) => id).join(' ')]),
    ),
    text: `faults: ${counts.join(', ')}, dealt out by commit ${commit.slice(0, 8)}; every fault on every cluster: npm run test:detection`,
  }
}

/** The commit that is tested; zeros where the files did not come with git. */
async function commitOf(folder: string): Promise<string> {
  try {
    const { stdout } = await run(['git', '-C', folder, 'rev-parse', 'HEAD'], {
      timeoutMs: budgets.toolVersionMs.ms,
    })
    return stdout.trim()
  } catch {
    return '00000000'
  }
}
