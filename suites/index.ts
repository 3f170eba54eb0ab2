import { conformance as suite } from '../helpers/conformance.ts'
import type { Check } from '../helpers/check.ts'
import { checks } from './catalogue.ts'

/** The face of the package: what a Vitest suite of your own works with. */

export { defineCheck } from '../helpers/check.ts'
export type { Check, CheckInput, Feature } from '../helpers/check.ts'
export type { Verdict } from '../helpers/check-probes.ts'
export type { Outcome, OutcomeKind } from '../helpers/observation.ts'
/** Every check that comes with the product, topic by topic. */
export { checks } from './catalogue.ts'

/**
 * Turns checks into Vitest tests. The cluster is that of `cni-conformance/setup`, which `globalSetup` in
 * vitest.config.ts must name: it makes the cluster that the variable CNI names (a name such as `flannel` or the path of
 * a definition), runs every check of the product, and deletes the cluster after the tests. Tests of the product's checks
 * show what that run found; checks of your own are asked then, all of a topic at once. A check that is unsupported or an
 * expected deviation skips with its reason.
 *
 * @param topic title of the group
 * @param suiteChecks from {@link checks}, from `defineCheck`, or both
 * @throws {Error} where a check of your own has an id that another check has
 */
export function conformance(topic: string, suiteChecks: readonly Check[]): void {
  const taken = new Map(checks.map((check) => [check.id, check]))
  for (const check of suiteChecks) {
    const other = taken.get(check.id)
    // The outcome of a run is found by its id: another check's would be shown.
    if (other !== undefined && other !== check) throw new Error(`${check.id}: another check has this id`)
    taken.set(check.id, check)
  }
  suite(topic, suiteChecks)
}
