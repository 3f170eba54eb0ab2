import type { LoadedDefinition } from '../clusters/definition.ts'
import { refusalOf } from '../clusters/runnable.ts'

/** A line for each definition that asks for what the product knows but does not take. */
export function refusalProblems(loaded: readonly LoadedDefinition[]): string[] {
  return loaded.flatMap(({ definition, problem }) => {
    const refusal = refusalOf(definition)
    return refusal === undefined ? [] : problem(refusal.path, `${refusal.why}; ${refusal.next}`)
  })
}
