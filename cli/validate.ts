import { knownClusters, loadDefinitions } from '../clusters/definition.ts'
import { UsageError, exitCodes } from '../helpers/errors.ts'
import { expectationProblems } from './expectations.ts'
import type { ValidateOptions } from './options.ts'

/**
 * `validate`: says everything that is wrong with some definitions, or that nothing is.
 *
 * @returns the exit code
 * @throws {UsageError} with every problem of every file
 */
export async function validateCommand({ files, output }: ValidateOptions): Promise<number> {
  const loaded = await loadDefinitions(files.length > 0 ? files : await knownClusters())
  if (loaded.some(({ definition }) => definition.expect.length > 0)) {
    const { checks } = await import('../suites/catalogue.ts')
    const problems = loaded.flatMap((cluster) => expectationProblems(cluster, checks))
    if (problems.length > 0) throw new UsageError(problems)
  }
  if (output === 'json') {
    const rows = loaded.map(({ file, sha256, definition }) => ({ file, sha256, definition }))
    process.stdout.write(`${JSON.stringify(rows, undefined, 2)}\n`)
  } else {
    for (const { file, definition } of loaded) process.stdout.write(`${file}: ${summary(definition)}\n`)
  }
  return exitCodes.passed
}

type Definition = Awaited<ReturnType<typeof loadDefinitions>>[number]['definition']

function summary({ name, kubernetes, cni, nodes, network }: Definition): string {
  const count = nodes.controlPlane + nodes.workers
  const facts = [
    `Kubernetes ${kubernetes}`,
    `${cni.name} ${cni.version} (${cni.encapsulation})`,
    `${count} nodes`,
  ]
  return `valid: ${name}, ${[...facts, network.ipFamily, `kube-proxy ${network.kubeProxy}`].join(', ')}`
}
