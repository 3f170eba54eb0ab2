import type { LoadedDefinition } from '../clusters/definition.ts'
import { budgets } from '../helpers/budgets.ts'
import { run } from '../helpers/exec.ts'
import { faults } from '../suites/faults/catalogue.ts'
import { deal } from '../suites/faults/sample.ts'

/** The faults that one `npm test` makes. */
export interface DealtFaults {
  /** Of each cluster the ids with blanks between, as the detection tests take them. */
  hands: readonly string[]
  /** What was dealt and how to get the rest, one line for the user. */
  text: string
}

/** One fault takes 4 to 60 s, and there are dozens: a tenth of them fits into a quarter of an hour of `npm test`. */
const oneIn = 10

/**
 * A share of the faults, each on one of the clusters; which and where, the commit decides, so that a commit is always
 * tested in the same way and each new one in another.
 *
 * @param folder the checkout
 */
export async function dealFaults(
  clusters: readonly LoadedDefinition[],
  folder: string,
): Promise<DealtFaults> {
  const grounds = clusters.map(({ definition: { cni, features, nodes } }) => ({
    cni,
    declared: { features },
    workers: { length: nodes.workers },
  }))
  const commit = (await commitOf(folder)).slice(0, 8)
  const hands = deal(faults, grounds, Number.parseInt(commit, 16), oneIn)
  const counts = clusters.map(({ definition }, at) => `${hands[at]?.length ?? 0} on ${definition.name}`)
  return {
    hands: hands.map((hand) => hand.map(({ id }) => id).join(' ')),
    text: `faults: ${counts.join(', ')}; which of the ${faults.length} and where, commit ${commit} says; every fault on every cluster: npm run test:detection`,
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
