/** Longest piece of a user's text that a message repeats, in characters. */
const maxShown = 60

/** A user's value as a message shows it: text in quotes and cut. */
export function shown(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'number' || typeof value === 'boolean') return `the ${typeof value} ${value}`
  if (typeof value !== 'string') return 'a mapping'
  return printable(JSON.stringify(value.length > maxShown ? `${value.slice(0, maxShown)}…` : value))
}

/** The text with everything escaped that could move the cursor, turn the direction of writing or hide itself. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
