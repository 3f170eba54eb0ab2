import picomatch from 'picomatch'
import type { LoadedDefinition } from '../clusters/definition.ts'
import type { Check } from '../helpers/check.ts'
import { suggestion } from '../helpers/suggest.ts'

/** Whether a check's id is meant by an id or a glob: `dns/*` is one level, `dns/**` is all below. */
export function matcher(glob: string): (id: string) => boolean {
  const matches = picomatch(glob)
  // Not the function itself: its second parameter changes what it returns, and ids.some() passes an index there.
  return (id) => matches(id)
}

/** One line for each expected deviation of a definition that no check could show. */
export function expectationProblems(cluster: LoadedDefinition, checks: readonly Check[]): string[] {
  const ids = checks.map(({ id }) => id)
  return cluster.definition.expect.flatMap(({ check }, index) => {
    if (ids.some(matcher(check))) return []
    return [cluster.problem(['expect', index, 'check'], `matches no check; ${suggestion(check, ids)}`)]
  })
}
