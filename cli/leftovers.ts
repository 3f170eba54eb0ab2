import { sweep } from '../clusters/sweep.ts'
import type { Progress } from '../helpers/progress.ts'

/** What every run begins with: what dead runs have left is deleted, and the user is told what went and what could not. */
export async function sweepLeftovers(progress: Progress): Promise<void> {
  const { removed, left } = await progress.step('sweep what dead runs left', () => sweep())
  if (removed.length > 0) progress.note(`removed what dead runs left: ${removed.join(', ')}`)
  for (const { cluster, why } of left) progress.note(`could not remove ${cluster}: ${why}`)
}
