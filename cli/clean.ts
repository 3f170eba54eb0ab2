import { clean } from '../clusters/sweep.ts'
import type { SweepResult } from '../clusters/sweep.ts'
import { exitCodes } from '../helpers/errors.ts'
import { createProgress } from '../helpers/progress.ts'
import type { CleanOptions } from './options.ts'

/** `clean`: deletes what our journals name, or what expired runs left on a cluster that is not ours. Returns the exit code: 3 when something could not be deleted. */
export async function cleanCommand(options: CleanOptions): Promise<number> {
  const { all, quiet, output, given } = options
  if (given !== undefined) return (await import('./clean-given.ts')).cleanGiven(given, options)
  const progress = createProgress({ quiet })
  try {
    const result = await progress.step('delete clusters', (step) =>
      clean({ all, onSeen: (seen) => step.update(seen) }),
    )
    process.stdout.write(output === 'json' ? `${JSON.stringify(result, undefined, 2)}\n` : text(result))
    return result.left.length > 0 ? exitCodes.inconclusive : exitCodes.passed
  } finally {
    progress.close()
  }
}

function text({ removed, kept, left }: SweepResult): string {
  const lines = [
    ...removed.map((cluster) => `deleted ${cluster}`),
    ...kept.map((cluster) => `kept ${cluster}: its run is still going on; --all deletes it`),
    ...left.map(({ cluster, why }) => `could not delete ${cluster}: ${why}`),
  ]
  return `${lines.length === 0 ? 'nothing to delete' : lines.join('\n')}\n`
}
