import { knownClusters, loadDefinitions } from '../clusters/definition.ts'
import type { LoadedDefinition } from '../clusters/definition.ts'
import { kernelFailures } from '../clusters/host/kernel.ts'
import { kernelNeeds, nodesKernel, refusalOf } from '../clusters/runnable.ts'
import { SetupError, UsageError, exitCodes } from '../helpers/errors.ts'
import type { SetupFailure } from '../helpers/errors.ts'
import { expectationProblems } from './expectations.ts'
import type { ValidateOptions } from './options.ts'
import { refusalProblems } from './refusals.ts'

/**
 * `validate`: says everything that is wrong with some definitions, or that nothing is; and which of them cannot be run
 * as things are. That is an error only for one that was named.
 *
 * @returns the exit code
 * @throws {UsageError} with every problem of every file, or for what this product does not take
 * @throws {SetupError} for what this machine cannot run
 */
export async function validateCommand({ files, output }: ValidateOptions): Promise<number> {
  const loaded = await loadDefinitions(files.length > 0 ? files : await knownClusters())
  if (loaded.some(({ definition }) => definition.expect.length > 0)) {
    const { checks } = await import('../suites/catalogue.ts')
    const problems = loaded.flatMap((cluster) => expectationProblems(cluster, checks))
    if (problems.length > 0) throw new UsageError(problems)
  }
  if (files.length > 0) {
    const refusals = refusalProblems(loaded)
    if (refusals.length > 0) throw new UsageError(refusals)
  }
  const kernel = await nodesKernel()
  const rows = loaded.map((cluster) => {
    const refusal = refusalOf(cluster.definition)
    const lacks = kernelFailures(kernelNeeds(cluster.definition), kernel)
    return {
      cluster,
      lacks,
      cannotRun: refusal === undefined ? lacks.map(({ what }) => what) : [refusal.why],
    }
  })
  if (files.length > 0) {
    const lacking = rows.flatMap(({ cluster, lacks }) => lacks.map((failure) => ({ cluster, failure })))
    if (lacking.length > 0) throw machineCannot(lacking)
  }
  if (output === 'json') {
    const json = rows.map(({ cluster: { file, sha256, definition }, cannotRun }) => ({
      file,
      sha256,
      definition,
      cannotRun,
    }))
    process.stdout.write(`${JSON.stringify(json, undefined, 2)}\n`)
  } else {
    for (const { cluster, cannotRun } of rows) {
      const reasons = cannotRun.map((reason) => `\n  cannot be run here: ${reason}`)
      process.stdout.write(`${cluster.file}: ${summary(cluster.definition)}${reasons.join('')}\n`)
    }
  }
  return exitCodes.passed
}

function machineCannot(lacking: readonly { cluster: LoadedDefinition; failure: SetupFailure }[]): SetupError {
  const each = (text: (failure: SetupFailure) => string): string =>
    [...new Set(lacking.map(({ failure }) => text(failure)))].join('; ')
  return new SetupError({
    what: lacking
      .map(({ cluster, failure }) => `${cluster.file} cannot be run here: ${failure.what}`)
      .join('\n'),
    seen: each(({ seen }) => seen ?? ''),
    next: each(({ next }) => next),
  })
}

function summary({ name, kubernetes, cni, nodes, network }: LoadedDefinition['definition']): string {
  const count = nodes.controlPlane + nodes.workers
  const facts = [
    `Kubernetes ${kubernetes}`,
    `${cni.name} ${cni.version} (${cni.encapsulation})`,
    `${count} nodes`,
  ]
  return `valid: ${name}, ${[...facts, network.ipFamily, `kube-proxy ${network.kubeProxy}`].join(', ')}`
}
