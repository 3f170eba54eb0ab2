import { knownClusters, loadDefinitions } from '../clusters/definition.ts'
import type { LoadedDefinition } from '../clusters/definition.ts'
import { kernelFailures } from '../clusters/host/kernel.ts'
import { kernelNeeds, nodesKernel, refusalOf } from '../clusters/runnable.ts'
import { SetupError, exitCodes } from '../helpers/errors.ts'
import type { SetupFailure } from '../helpers/errors.ts'
import { expectationProblems } from './expectations.ts'
import type { Problems } from './flags.ts'
import type { ValidateOptions } from './options.ts'
import { refusalProblems } from './refusals.ts'
import { readOwnChecks } from './test-options.ts'

/**
 * `validate`: says everything that is wrong with some definitions and files of checks, or that nothing is; and which
 * definitions cannot be run as things are. That is an error only for one that was named.
 *
 * @param problems what is wrong with the command line
 * @returns the exit code
 * @throws {UsageError} with every problem of every file, or for what this product does not take
 * @throws {SetupError} for what this machine cannot run
 */
export async function validateCommand(
  { files, checks: checkFiles, output }: ValidateOptions,
  problems: Problems,
): Promise<number> {
  const own = checkFiles.length === 0 ? [] : await readOwnChecks(checkFiles, problems)
  const all = checkFiles.length === 0 ? await knownClusters() : []
  const wanted = files.length > 0 ? files : all
  const loaded = (await problems.collect(() => loadDefinitions(wanted))) ?? []
  if (loaded.some(({ definition }) => definition.expect.length > 0)) {
    const { checks } = await import('../suites/catalogue.ts')
    const known = [...checks, ...own.flatMap((each) => each.checks)]
    for (const cluster of loaded) for (const line of expectationProblems(cluster, known)) problems.add(line)
  }
  if (files.length > 0) for (const line of refusalProblems(loaded)) problems.add(line)
  problems.throwIfAny()
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
    const ownJson = own.map(({ file, checks }) => ({ file, checks: checks.map(({ id }) => id) }))
    process.stdout.write(`${JSON.stringify([...json, ...ownJson], undefined, 2)}\n`)
  } else {
    for (const { cluster, cannotRun } of rows) {
      const reasons = cannotRun.map((reason) => `\n  cannot be run here: ${reason}`)
      process.stdout.write(`${cluster.file}: ${summary(cluster.definition)}${reasons.join('')}\n`)
    }
    for (const { file, checks } of own) {
      const ids = checks.map(({ id }) => id).join(', ')
      process.stdout.write(
        `${file}: valid: ${checks.length} ${checks.length === 1 ? 'check' : 'checks'}: ${ids}\n`,
      )
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
