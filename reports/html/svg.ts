import { clip, oneLine } from '../text.ts'
import { markup, type Markup, type Part } from './markup.ts'

/** Pieces of inline pictures. Colours come from the style sheet, so a picture follows light, dark and print. */

/**
 * A picture with its text alternative.
 *
 * @param label what a person who cannot see it is told
 */
export function picture(label: string, width: number, height: number, content: Part, name = ''): Markup {
  return markup`<svg class="${name}" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}" role="img" aria-label="${label}">${content}</svg>`
}

/** Text at a place. `limit` is the number of characters that fit. */
export function label(
  x: number,
  y: number,
  text: string,
  options: { name?: string; anchor?: 'start' | 'middle' | 'end'; limit?: number } = {},
): Markup {
  const { name = 't', anchor = 'start', limit = 200 } = options
  const whole = oneLine(text)
  const short = clip(whole, limit)
  const title = short === whole ? undefined : markup`<title>${whole}</title>`
  const at = anchor === 'start' ? undefined : markup` text-anchor="${anchor}"`
  return markup`<text class="${name}" x="${round(x)}" y="${round(y)}"${at}>${title}${short}</text>`
}

/** Coordinates to a tenth of a pixel: more is bytes without a picture. */
export function round(value: number): number {
  return Math.round(value * 10) / 10
}
