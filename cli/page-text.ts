/** Text of the pages that are made from checks and faults. */

/** An id, as code. */
export const code = (text: string): string => `\`${text}\``

/** Sentences are text, not Markdown: a `*` in one stays a `*`. */
export const escaped = (text: string): string => text.replaceAll(/[\\`*_[\]<>#|]/g, String.raw`\$&`)
