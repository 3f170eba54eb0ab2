import { ensureDocker } from '../clusters/host/docker.ts'
import { preflight } from '../clusters/host/preflight.ts'
import type { LoadedDefinition } from '../clusters/definition.ts'
import { defaultCacheDir, prepareImages } from '../clusters/images/prepare.ts'
import { deleteCluster } from '../clusters/kind.ts'
import { newClusterName, openLease, type Lease } from '../clusters/lease.ts'
import { kernelNeeds } from '../clusters/runnable.ts'
import { bringUp, type Machine, type MadeLeg, type MakeOptions } from './bring-up.ts'
import { declaredCluster } from './run-log.ts'
import type { ClusterSource, LegRun, TakeDown } from './source.ts'

/** A cluster that is made for its leg on this machine, and deleted after it. */
export function madeCluster(cluster: LoadedDefinition, options: MakeOptions): ClusterSource {
  return {
    cluster: declaredCluster(cluster),
    async stand(run, lend) {
      const leg: MadeLeg = { ...run, cluster, options }
      const machine = await prepareMachine(leg)
      const lease = await openLease({ cluster: newClusterName(cluster.definition.name), purpose: 'test' })
      lend(takeDownOf(run, lease))
      return bringUp(leg, lease, machine)
    },
  }
}

/** How a cluster of ours is ended or left to the user. */
export const takeDownOf = (run: Pick<LegRun, 'log'>, lease: Lease): TakeDown => ({
  what: `cluster ${lease.cluster}`,
  byHand: '`cni-conformance clean` tries again',
  delete: () => deleteLease(run, lease),
  async keep() {
    await lease.keep()
    return `KUBECONFIG=${lease.kubeconfig}; \`cni-conformance test --on ${lease.cluster}\` checks it again, \`cni-conformance clean\` deletes it`
  },
})

async function prepareMachine({ cluster, options, log, signal, ask }: MadeLeg): Promise<Machine> {
  const cacheDir = defaultCacheDir()
  const { definition } = cluster
  const shim = await log.phase('host', 'look at the machine', async (step) => {
    const docker = await ensureDocker({
      install: options.install,
      cacheDir,
      progress: step,
      ...(ask === undefined ? {} : { ask }),
    })
    await preflight({
      nodes: definition.nodes.controlPlane + definition.nodes.workers,
      kernel: kernelNeeds(definition),
      install: options.install,
      progress: step,
    })
    return docker.shim
  })
  const images = await log.phase('images', 'images and binaries', (step) =>
    prepareImages(
      { kubernetes: definition.kubernetes, cni: definition.cni },
      {
        provider: options.images,
        progress: step,
        cacheDir,
        install: options.install,
        signal,
        ...(shim === undefined ? {} : { shim }),
      },
    ),
  )
  log.provenance(images.provenance)
  return { shim, images }
}

async function deleteLease({ log }: Pick<LegRun, 'log'>, lease: Lease): Promise<void> {
  await log.phase('delete', `delete cluster ${lease.cluster}`, async (step) => {
    await deleteCluster(lease, { onSeen: (seen) => step.update(seen) })
  })
}
