import type { KubernetesObject } from '@kubernetes/client-node'
import { budgets } from '../../helpers/budgets.ts'
import type { FixtureNamespaces } from '../../helpers/fixture-objects.ts'
import { withMarks, type Kube } from '../../helpers/kube.ts'
import { marksOf, type GivenContext } from './connection.ts'

/** Where a run lives on a cluster that is not ours: two namespaces, and how they are taken and left. */

/** What two namespaces are taken with. */
export interface HousingContext {
  given: GivenContext
  kube: Kube
  runId: string
}

/** The two namespaces of one run. */
export interface Home {
  namespaces: FixtureNamespaces
  /** What goes when the run ends: "namespaces a and b". */
  what: string
  /** The command that deletes it by hand. */
  byHand: string
  /** What {@link take} applies. */
  objects: readonly KubernetesObject[]
  /**
   * Takes the namespaces for this run; before that nothing of it exists.
   *
   * @throws {SetupError} when that cannot be
   */
  take(): Promise<void>
  /**
   * Deletes what is the run's and waits until it is gone.
   *
   * @throws {BudgetExceeded} with what is left
   */
  leave(onSeen?: (seen: string) => void): Promise<void>
  /** Leaves everything to the user until it expires; returns when that is. */
  keep(): Promise<Date>
}

/**
 * Remembers whether anything of a run may exist, so that nobody waits for the end of what never was. An object exists
 * from the moment that it is asked for; that it does not, only an answer of the API server can say.
 */
export class Traces {
  #mayExist = false

  get mayExist(): boolean {
    return this.#mayExist
  }

  /** Makes one object; `make` returns what the API server said against it. */
  async made(make: () => Promise<string | undefined>): Promise<string | undefined> {
    const before = this.#mayExist
    this.#mayExist = true
    const refusal = await make()
    if (refusal?.startsWith('HTTP') === true) this.#mayExist = before
    return refusal
  }
}

/** The fixture namespaces by the name of the first. */
export const namesFrom = (main: string): FixtureNamespaces => ({
  main,
  other: `${main}-other`,
  host: `${main}-host`,
})

/** Those of the fixture namespaces that a run takes: no pod has the network of its node on a cluster that is not ours. */
export const takenNames = ({ main, other }: FixtureNamespaces): string[] => [main, other]

/** Marks the objects of a home that is kept with the time when it expires, and returns that. */
export async function keepFor(
  { kube, runId }: HousingContext,
  objects: readonly KubernetesObject[],
): Promise<Date> {
  const expires = new Date(Date.now() + budgets.givenKeepMs.ms)
  await kube.apply(objects.map((object) => withMarks(object, marksOf(runId, expires))))
  return expires
}

/** What expired runs have left. */
export interface Swept {
  /** Namespaces that are gone or going, or those in which objects were deleted. */
  removed: string[]
  /** Of runs that may still be going on. */
  kept: { name: string; run: string; expires: Date | undefined }[]
}

/** How kubectl reaches the cluster; for messages with commands. */
export const kubectl = ({ kubeconfig, context }: GivenContext): string =>
  `kubectl --kubeconfig ${quoted(kubeconfig)} --context ${quoted(context)}`

/** A word of a command line as a shell takes it. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
