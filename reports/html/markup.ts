import { plain } from '../text.ts'

/**
 * HTML by tagged templates: what stands in the template is markup, whatever is put into it is text and is escaped.
 * Only another {@link Markup} goes in as it is. There is no other way to make one, so nothing that a pod, a kernel or
 * a hand-edited run.json says can become an element, an attribute or a script.
 */
export class Markup {
  readonly #text: string

  private constructor(text: string) {
    this.#text = text
  }

  /** The only maker, for {@link markup} and for text that is our own source. */
  static trusted(text: string): Markup {
    return new Markup(text)
  }

  toString(): string {
    return this.#text
  }
}

/** What may be put into a template. `undefined` and `false` leave nothing behind. */
export type Part = Markup | string | number | undefined | false | readonly Part[]

/** Template tag. Parts may stand in content and within quoted attributes, nowhere else. */
export function markup(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  let text = strings[0] ?? ''
  parts.forEach((part, index) => {
    text += rendered(part) + (strings[index + 1] ?? '')
  })
  return Markup.trusted(text)
}

function rendered(part: Part): string {
  if (part instanceof Markup) return part.toString()
  if (typeof part === 'string') return escapeText(part)
  if (typeof part === 'number') return String(part)
  return part === undefined || part === false ? '' : part.map(rendered).join('')
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for content and quoted attributes: no markup, no control characters, no overrides of the writing direction. */
function escapeText(text: string): string {
  return plain(text).replaceAll(/[&<>"']/g, (character) => entities[character] ?? '')
}
