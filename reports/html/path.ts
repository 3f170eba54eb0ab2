import type { End, Observation } from '../../helpers/observation.ts'
import { marks } from '../detail.ts'
import { oneLine } from '../text.ts'
import { markup, type Markup } from './markup.ts'
import { label, picture } from './svg.ts'

const [width, height] = [760, 112]
const boxWidth = 252
/** Characters of the fixed-width font that fit into a box. */
const boxCharacters = 33

/**
 * Both ends of a path that did not go as expected, and what was seen between them. Undefined where there is no path:
 * what is looked at inside one pod.
 */
export function pathPicture(observation: Observation): Markup | undefined {
  const { from, to, via, protocol, verdict, expected, asked, answered, attempts, step } = observation
  if (protocol === 'none') return undefined
  const often = `${answered} of ${asked} answered, ${attempts} sent`
  const way = `${step === undefined ? '' : `${step}: `}${via} over ${protocol}`
  const said = `Path from ${endWords(from)} to ${endWords(to)}, ${way}: ${verdict}, expected ${expected}; ${often}`
  const middle = width / 2
  const [start, end] = [boxWidth + 8, width - boxWidth - 8]
  const content = markup`${endBox(0, from, 'from')}${endBox(width - boxWidth, to, 'to')}
${label(middle, 17, way, { anchor: 'middle', limit: 34 })}
<path class="arrow off" d="M${start} 42H${middle - 16}"/><path class="arrow off gone" d="M${middle + 16} 42H${end}"/><path class="arrow off" d="M${end - 7} 37l7 5l-7 5"/>
<circle class="rung f" cx="${middle}" cy="42" r="12"/>${label(middle, 47, marks.failed, { name: 'on f', anchor: 'middle' })}
${label(middle, 74, verdict, { name: 'tb', anchor: 'middle' })}
${label(middle, 90, `expected ${expected}`, { name: 'td', anchor: 'middle' })}
${label(middle, 106, often, { name: 'td', anchor: 'middle', limit: 40 })}`
  return picture(oneLine(said), width, height, content, 'path')
}

/** One end: the node as the outer box, the pod with its address within. */
function endBox(x: number, { name, node, address }: End, role: 'from' | 'to'): Markup {
  const shown = address === name ? undefined : address
  const words = lines(name)
  return markup`<rect class="node" x="${x + 0.5}" y="0.5" width="${boxWidth - 1}" height="${height - 2}" rx="6"/>
${label(x + 10, 18, node === undefined ? role : `${role} node ${node}`, { name: 'td', limit: 38 })}
<rect class="pod" x="${x + 8.5}" y="27.5" width="${boxWidth - 17}" height="${height - 37}" rx="4"/>
${words.map((line, at) => label(x + 16, 48 + at * 16, line, { name: 'm' }))}
${shown !== undefined && label(x + 16, 54 + words.length * 16, shown, { name: 'm', limit: boxCharacters - 4 })}`
}

/** The name of an end on at most two lines. */
function lines(name: string): string[] {
  const text = oneLine(name)
  const fits = boxCharacters - 4
  if (text.length <= fits) return [text]
  const rest = text.slice(fits)
  return [text.slice(0, fits), rest.length > fits ? `${rest.slice(0, fits - 1)}…` : rest]
}

function endWords({ name, node, address }: End): string {
  return [
    name,
    ...(node === undefined ? [] : [`on node ${node}`]),
    ...(address === undefined ? [] : [address]),
  ].join(' ')
}
