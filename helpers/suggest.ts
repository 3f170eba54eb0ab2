import { closestMatch } from 'leven'

/**
 * The known word that an unknown one was probably meant to be. A third of the letters may differ, three at most:
 * with more, a guess misleads more often than it helps.
 */
export function closest(word: string, known: readonly string[]): string | undefined {
  const maxDistance = Math.min(3, Math.max(1, Math.floor(word.length / 3)))
  return closestMatch(word.slice(0, 100), known, { maxDistance })
}

/** `did you mean "x"?` where one known word is close, otherwise `known are x, y, z`. */
export function suggestion(word: string, known: readonly string[]): string {
  const guess = closest(word, known)
  return guess === undefined ? `known are ${known.join(', ')}` : `did you mean "${guess}"?`
}
