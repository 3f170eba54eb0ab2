import { sweepBorrowed } from '../clusters/given/borrowed-namespaces.ts'
import { connectGiven } from '../clusters/given/connection.ts'
import { namesFrom, takenNames, type Swept } from '../clusters/given/housing.ts'
import { sweepNamespaces } from '../clusters/given/own-namespaces.ts'
import { exitCodes } from '../helpers/errors.ts'
import { createProgress } from '../helpers/progress.ts'
import type { CleanOptions, GivenOptions } from './options.ts'

/**
 * `clean --kubeconfig`: deletes what expired runs have left on a cluster that is not ours. Returns the exit code.
 *
 * @throws {SetupError} when something of it stays
 */
export async function cleanGiven(
  { context, namespace }: Pick<GivenOptions, 'context' | 'namespace'>,
  { quiet, output }: CleanOptions,
): Promise<number> {
  const { server, user } = context
  process.stderr.write(`server ${server}, context ${context.context}, user ${user}\n`)
  const names = namespace === undefined ? [] : takenNames(namesFrom(namespace))
  const kube = connectGiven(context, {
    housing: namespace === undefined ? 'own' : 'borrowed',
    namespaces: names,
  })
  const progress = createProgress({ quiet })
  try {
    const swept = await progress.step('delete what expired runs left', () =>
      namespace === undefined ? sweepNamespaces(kube, { wait: true }) : sweepBorrowed(kube, names),
    )
    process.stdout.write(output === 'json' ? `${JSON.stringify(swept, undefined, 2)}\n` : text(swept))
    return exitCodes.passed
  } finally {
    progress.close()
  }
}

function text({ removed, kept }: Swept): string {
  const lines = [
    ...removed.map((name) => `deleted ${name}`),
    ...kept.map(
      ({ name, run, expires }) =>
        `kept ${name}: run ${run} ${expires === undefined ? 'does not say when it expires' : `expires at ${expires.toISOString()}`}`,
    ),
  ]
  return `${lines.length === 0 ? 'nothing to delete' : lines.join('\n')}\n`
}
