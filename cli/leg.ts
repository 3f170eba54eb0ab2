import { join } from 'node:path'
import { ensureDocker } from '../clusters/host/docker.ts'
import { preflight } from '../clusters/host/preflight.ts'
import { defaultCacheDir, prepareImages } from '../clusters/images/prepare.ts'
import { deleteCluster } from '../clusters/kind.ts'
import { newClusterName, openLease, type Lease } from '../clusters/lease.ts'
import { kernelNeeds } from '../clusters/runnable.ts'
import { isHeavy, isLight, isLooking, isPlain, type Check } from '../helpers/check.ts'
import { checks as catalogue } from '../suites/catalogue.ts'
import type { Outcome } from '../helpers/observation.ts'
import { collectEvidence } from '../helpers/evidence.ts'
import { accessTo, declaredBy } from '../helpers/leg-handle.ts'
import { Session } from '../helpers/session.ts'
import { bringUp, cniOf, evidenceSource, type LegRun, type Machine, type Standing } from './bring-up.ts'

/**
 * One leg: the machine, the cluster, the CNI, the fixtures, the checks and the evidence. What it finds goes into the
 * log; it throws when the cluster could not be brought up or checked.
 *
 * @param lend told how to end the cluster, before anything of it exists
 */
export async function runLeg(leg: LegRun, lend: (takeDown: TakeDown) => void): Promise<void> {
  const prepared = await prepareMachine(leg)
  const lease = await openLease({ cluster: newClusterName(leg.cluster.definition.name), purpose: 'test' })
  lend({
    cluster: lease.cluster,
    kubeconfig: lease.kubeconfig,
    delete: () => deleteLease(leg, lease),
    keep: () => lease.keep(),
  })
  const standing = await bringUp(leg, lease, prepared)
  await checkNetwork(leg, standing)
}

/** How the owner of a run ends a leg's cluster. */
export interface TakeDown {
  cluster: string
  /** For the user who keeps it. */
  kubeconfig: string
  delete(): Promise<void>
  keep(): Promise<void>
}

async function prepareMachine({ cluster, options, log, signal, ask }: LegRun): Promise<Machine> {
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

async function checkNetwork(leg: LegRun, standing: Standing): Promise<void> {
  const { log, options } = leg
  const { kube, handle } = standing
  const session = await log.phase('traffic', 'paths answer', async (step) => {
    const access = accessTo(handle, cniOf(leg.cluster.definition))
    const opened = await Session.open({ kube, declared: declaredBy(handle), ...handle, access })
    log.readiness(await opened.converge(pathsBefore(options.checks), (seen) => step.update(seen)))
    return opened
  })
  try {
    leg.signal.throwIfAborted()
    const outcomes = await runPhases(leg, session)
    const off = outcomes.filter(({ outcome }) => outcome === 'failed' || outcome === 'not-run')
    if (off.length > 0) log.outcomes(await withEvidence(leg, standing, session, off))
    log.ended()
  } finally {
    session.close()
  }
}

/**
 * The checks that must stand still before the first one counts. What is not ours is no part of them, so where it is
 * asked, the product's own checks show that the cluster is ready, also those that the user did not choose.
 */
function pathsBefore(chosen: readonly Check[]): readonly Check[] {
  return chosen.some(({ targets }) => targets !== undefined)
    ? [...new Set([...chosen, ...catalogue])]
    : chosen
}

/**
 * Packets that change nothing in one phase, many or long ones in the next; then the checks with steps, topic by topic, each
 * in a phase of its own name.
 * Looks at the nodes come last: what they wait for, such as probes of readiness, has had its time by then.
 */
async function runPhases({ log, options, signal }: LegRun, session: Session): Promise<Outcome[]> {
  const phases = new Map([
    ['checks', options.checks.filter(isLight)],
    ['load', options.checks.filter(isHeavy)],
  ])
  for (const check of options.checks.filter((each) => !isPlain(each))) {
    const topic = check.id.slice(0, check.id.indexOf('/'))
    phases.set(topic, [...(phases.get(topic) ?? []), check])
  }
  phases.set('looks', options.checks.filter(isLooking))
  const all: Outcome[] = []
  for (const [name, checks] of phases) {
    if (checks.length === 0) continue
    const title = `${checks.length} ${titles[name] ?? `checks of ${name}`}`
    const outcomes = await log.phase(name, title, () => session.run(checks, { signal }))
    signal.throwIfAborted()
    log.outcomes(outcomes)
    all.push(...outcomes)
  }
  return all
}

/** Phases that are no topic. */
const titles: Readonly<Record<string, string>> = {
  checks: 'checks',
  load: 'checks with many connections or long bodies',
  looks: 'looks at the nodes',
}

/** The outcomes that did not pass, each with the folder of its evidence. */
async function withEvidence(
  { log, cluster, folder }: LegRun,
  { kube, nodes }: Standing,
  session: Session,
  off: readonly Outcome[],
): Promise<Outcome[]> {
  const { definition } = cluster
  const folders = await log.phase('evidence', 'evidence of what did not pass', async () =>
    collectEvidence(
      { ...evidenceSource(definition, kube, nodes), world: await session.world() },
      off,
      join(folder, 'evidence'),
    ),
  )
  return off.map((outcome) => ({
    ...outcome,
    evidence: join(definition.name, 'evidence', folders.get(outcome.check) ?? ''),
  }))
}

async function deleteLease({ log }: LegRun, lease: Lease): Promise<void> {
  await log.phase('delete', `delete cluster ${lease.cluster}`, async (step) => {
    await deleteCluster(lease, { onSeen: (seen) => step.update(seen) })
  })
}
