import { stripVTControlCharacters } from 'node:util'

/**
 * Text for reports. What a kernel, a pod or a command said is made harmless once, here: it must not move a cursor,
 * break an XML file, or turn the direction of writing.
 */

// Everything that XML 1.0 forbids (https://www.w3.org/TR/xml/#charsets), the C1 controls that terminals obey, and
// the bidirectional overrides (https://trojansource.codes). Newline and tab stay.
const harmful =
  // oxlint-disable-next-line no-control-regex
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g

/** The text without escape sequences, control characters and lone surrogates; line ends become `\n`. */
export function plain(text: string): string {
  return stripVTControlCharacters(text.toWellFormed())
    .replaceAll(/\r\n?|[\u2028\u2029]/g, '\n')
    .replaceAll(harmful, '')
}

/** {@link plain} on one line, cut to `limit` characters. */
export function oneLine(text: string, limit = 1_000): string {
  return clip(plain(text).replaceAll(/\s+/g, ' ').trim(), limit)
}

/** The text, cut to `limit` characters with a mark at the cut. */
export function clip(text: string, limit: number): string {
  if (text.length <= limit) return text
  // A cut through a surrogate pair would leave half a character.
  return `${text.slice(0, limit - 1).replace(/[\ud800-\udbff]$/, '')}…`
}

/** Milliseconds as a person reads them: `0.4 ms`, `12 ms`, `1.4 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 119_950) return `${(ms / 1_000).toFixed(1)} s`
  const seconds = Math.round(ms / 1_000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** `2026-11-21 08:00 UTC`, of a time in ISO 8601. */
export function timeOfDay(time: string): string {
  return `${new Date(time).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** `1 check`, `2 checks`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** `a`, `a and b`, `a, b and c`. */
export function listed(items: readonly string[]): string {
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}

/** Text that {@link wrap} keeps on one line. */
export function glued(text: string): string {
  return text.replaceAll(' ', '\u00a0')
}

/** The text with what was {@link glued} made plain again. */
export function unglued(text: string): string {
  return text.replaceAll('\u00a0', ' ')
}

/** Lines of at most `width` characters, broken between words; a longer word stands alone, so that it can be copied. */
export function wrap(text: string, width: number): string[] {
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = []
    let line = ''
    for (const word of paragraph.split(' ')) {
      if (line !== '' && line.length + 1 + word.length > width) {
        lines.push(line)
        line = word
      } else {
        line = line === '' ? word : `${line} ${word}`
      }
    }
    return [...lines, line].map(unglued)
  })
}
