import { randomBytes } from 'node:crypto'
import { dumpYaml, type KubernetesObject } from '@kubernetes/client-node'
import type { LoadedDefinition } from '../clusters/definition.ts'
import { serverVersion } from '../clusters/given/connection.ts'
import { chooseWorkers } from '../clusters/given/nodes.ts'
import { isPlain, type Check } from '../helpers/check.ts'
import { exitCodes } from '../helpers/errors.ts'
import { dnsConfiguredPods, fixtureObjects, handMadeSlice } from '../helpers/fixture-objects.ts'
import { missingFeatures } from '../helpers/outcome.ts'
import { declaredIn } from '../helpers/session.ts'
import { plannedObjects } from '../helpers/steps/planned-objects.ts'
import { fixturesOf, guestOf, listNodes, sessionOf } from './given-cluster.ts'
import type { GivenOptions } from './options.ts'

/**
 * `test --dry-run`: prints all that a run would apply, as YAML; asks the cluster for its nodes, changes nothing. Returns
 * the exit code.
 */
export async function dryRun(
  given: GivenOptions,
  definition: LoadedDefinition | undefined,
  checks: readonly Check[],
): Promise<number> {
  const { context } = given
  process.stderr.write(
    `server ${context.server}, context ${context.context}, user ${context.user}: nothing is changed\n`,
  )
  const guest = guestOf(given, randomBytes(4).toString('hex'))
  const { kube, home } = guest
  await serverVersion(kube, context)
  const { workers } = chooseWorkers(await listNodes(kube), given, checks)
  const fixtures = fixturesOf(given, guest, workers)
  const session = sessionOf(definition, guest, workers, given.coverage.seed)
  const declared = declaredIn(session)
  const sections: [comment: string, objects: readonly KubernetesObject[]][] = [
    [`for the whole run; ${home.byHand}`, [...home.objects, ...fixtureObjects(fixtures)]],
    ["for the address of the cluster's DNS Service", dnsConfiguredPods('192.0.2.1', fixtures)],
    ['for the address that its pod will have', [handMadeSlice('192.0.2.1', fixtures)]],
  ]
  for (const [comment, objects] of sections) {
    for (const object of objects) print(comment, dumpYaml(kube.marked(object)))
  }
  const ofSteps = checks
    .filter((check) => !isPlain(check) && missingFeatures(check, declared).length === 0)
    .flatMap((check) =>
      plannedObjects(check, fixtures, session.podSubnet).map((object) => ({
        id: check.id,
        yaml: dumpYaml(kube.marked(object)),
      })),
    )
  // Several checks may have a pod together.
  for (const [yaml, which] of Map.groupBy(ofSteps, (each) => each.yaml)) {
    const ids = which.map(({ id }) => id).join(', ')
    print(`while ${ids} ${which.length > 1 ? 'run' : 'runs'}; addresses of pods are filled in then`, yaml)
  }
  return exitCodes.passed
}

const print = (comment: string, yaml: string): void => void process.stdout.write(`---\n# ${comment}\n${yaml}`)
