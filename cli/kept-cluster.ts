import type { LoadedDefinition } from '../clusters/definition.ts'
import { differencesOf, readMade, removeLeftovers } from '../clusters/kept.ts'
import { adoptLease, type Lease } from '../clusters/lease.ts'
import { nodeNames } from '../clusters/kind.ts'
import type { ChosenNodes } from '../helpers/coverage/coverage.ts'
import { SetupError } from '../helpers/errors.ts'
import { raiseFixtures } from '../helpers/fixtures.ts'
import { connectKube } from '../helpers/kube.ts'
import type { LegHandle } from '../helpers/leg-handle.ts'
import { readNodes, type WorldNode } from '../helpers/world.ts'
import { cniContextOf, cniOf, setupEvidence, standOn, type Made, type OwnLeg } from './bring-up.ts'
import { takeDownOf } from './made-cluster.ts'
import { declaredCluster } from './run-log.ts'
import type { ClusterSource, LegRun } from './source.ts'

/**
 * A cluster that an earlier run made and left, also because it died. It is gone on with only if it is as it was made:
 * otherwise it stays as it is, and each field that differs is named.
 */
export function keptCluster(cluster: LoadedDefinition, name: string): ClusterSource {
  return {
    cluster: declaredCluster(cluster),
    async stand(run, lend) {
      const lease = await adoptLease(name, 'test --on')
      const leg = { ...run, cluster }
      const found = await lookAt(leg, lease)
      // From here on it is ours to delete; a cluster that was refused is not.
      lend(takeDownOf(run, lease))
      try {
        return await standOn(leg, await settle(leg, found))
      } catch (error) {
        if (!run.signal.aborted) await setupEvidence(leg, found.kube)
        throw error
      }
    },
  }
}

type KeptLeg = OwnLeg & LegRun

/** What a cluster is known as before its nodes are looked at. */
type Found = Omit<Made, 'nodes' | 'chosen'>

/** @throws {SetupError} naming every field that is not as it was, or not as the definition says */
async function lookAt({ cluster, log }: KeptLeg, lease: Lease): Promise<Found> {
  const { definition } = cluster
  return log.phase('kept', `look at cluster ${lease.cluster}`, async () => {
    const made = await readMade(lease.dir)
    const { handle, manifests, provenance } = made
    const kube = connectKube(handle.kubeconfig)
    const differences = await differencesOf(made, definition, { kube, cni: cniOf(made.definition) })
    if (differences.length > 0) {
      throw new SetupError({
        what: `cluster ${lease.cluster} is not what a run can go on with`,
        seen: differences.join('\n'),
        next: 'set right what is named, or make a new one without --on; `cni-conformance clean` deletes this one',
      })
    }
    log.provenance(provenance)
    const { features, expect } = definition
    const names = nodeNames(lease.cluster, definition)
    return {
      kube,
      // What a cluster claims may have changed without the cluster.
      handle: { ...handle, features, expect },
      cniContext: cniContextOf(kube, definition, { manifests }, names),
    }
  })
}

/** What the checks of the earlier run left goes; the fixtures are as they were, or are made again. */
async function settle(leg: KeptLeg, found: Found): Promise<Made> {
  const { kube, handle } = found
  await leg.log.phase('fixtures', 'fixture pods', async (step) => {
    const onSeen = (seen: string): void => step.update(seen)
    const removed = await removeLeftovers(kube, handle, onSeen)
    if (removed.length > 0) leg.say(`removed what an earlier run left: ${removed.join(', ')}`)
    leg.signal.throwIfAborted()
    await raiseFixtures(kube, { ...handle, onSeen, signal: leg.signal })
  })
  const nodes = await readNodes(kube)
  return { ...found, nodes, chosen: chosenBefore(handle, nodes) }
}

/** The nodes that got fixture pods when the cluster was made: others have none now. */
function chosenBefore({ workers }: LegHandle, nodes: readonly WorldNode[]): ChosenNodes {
  const leftOut = nodes.filter(({ name }) => !workers.includes(name))
  return {
    workers,
    leftOut: leftOut.map(({ name, role }) => ({
      name,
      why:
        role === 'control-plane' ? 'control plane' : 'it has had no fixture pods since the cluster was made',
    })),
  }
}
