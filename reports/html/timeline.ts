import { scaleLinear, type ScaleLinear } from 'd3-scale'
import type { Leg, Phase } from '../model.ts'
import { count, duration, oneLine } from '../text.ts'
import { markup, type Markup } from './markup.ts'
import { label, picture, round } from './svg.ts'
import { scrolling, section } from './view.ts'
import type { View } from './view.ts'

/** A phase on the axis, in milliseconds, and the line of its leg that it is drawn on. */
interface Bar {
  phase: Phase
  start: number
  lane: number
}

interface Row {
  leg: string
  bars: readonly Bar[]
  lanes: number
}

const [left, plot, right, lane] = [150, 850, 30, 20]
/** A run this much longer than its longest leg is a series, or was merged from several machines. */
const longestSpan = 4

/** When each phase of each leg ran, and how long. */
export function timelineSection(view: View): Markup {
  const timed = view.legs.filter(({ leg }) => leg.phases.length > 0)
  if (timed.length === 0)
    return section('timeline', 'Time line', undefined, markup`<p>No phase was begun.</p>`)
  const together = drawnTogether(timed.map(({ leg }) => leg))
  const origin = Math.min(...timed.map(({ leg }) => startOf(leg)))
  const rows = timed.map(({ leg, name }) => rowOf(name, leg, together ? origin : startOf(leg)))
  const intro = together
    ? `Phases of each leg, since the start of the run at ${timeText(origin)}.`
    : 'Phases of each leg, each since its own start: the legs ran far apart, or one after the other.'
  const content = markup`${legend(rows)}${scrolling('Time line of the phases', drawRows(rows))}${phaseTable(rows)}`
  return section('timeline', 'Time line', intro, content)
}

const startOf = ({ phases }: Leg): number => Math.min(...phases.map(({ startedAt }) => Date.parse(startedAt)))
const endOf = ({ phases }: Leg): number =>
  Math.max(...phases.map(({ startedAt, ms }) => Date.parse(startedAt) + ms))

/** On one clock where that leaves the legs wide enough to be read. */
function drawnTogether(legs: readonly Leg[]): boolean {
  const span = Math.max(...legs.map(endOf)) - Math.min(...legs.map(startOf))
  const longest = Math.max(...legs.map((leg) => endOf(leg) - startOf(leg)))
  return span <= longest * longestSpan
}

function rowOf(leg: string, { phases }: Leg, origin: number): Row {
  const ends: number[] = []
  const bars = phases
    .map((phase) => ({ phase, start: Date.parse(phase.startedAt) - origin }))
    .toSorted((a, b) => a.start - b.start)
    .map(({ phase, start }): Bar => {
      // Phases may run side by side; ten milliseconds are the writing of two lines.
      const free = ends.findIndex((end) => end <= start + 10)
      const at = free === -1 ? ends.length : free
      ends[at] = start + phase.ms
      return { phase, start, lane: at }
    })
  return { leg, bars, lanes: Math.max(1, ends.length) }
}

function drawRows(rows: readonly Row[]): Markup {
  const longest = Math.max(1, ...rows.flatMap(({ bars }) => bars.map(({ phase, start }) => start + phase.ms)))
  const scale = scaleLinear().domain([0, longest]).range([0, plot])
  const ticks = scaleLinear()
    .domain([0, longest / 1_000])
    .ticks(8)
  let y = 0
  const drawn = rows.map((row) => {
    const top = y
    y += row.lanes * lane + 6
    return markup`${label(left - 10, top + 14, row.leg, { anchor: 'end', limit: 22 })}${row.bars.map((bar) => drawBar(bar, top, scale))}`
  })
  const grid = ticks.map((tick) => `M${round(left + scale(tick * 1_000))} 0V${y}`).join('')
  const axis = ticks.map((tick) =>
    label(left + scale(tick * 1_000), y + 16, `${tick} s`, { name: 'td', anchor: 'middle' }),
  )
  const said = `Time line of ${count(rows.length, 'leg')} over ${duration(longest)}; the table below has the numbers`
  const content = markup`<path class="grid" d="${grid}"/>${drawn}${axis}`
  return picture(said, left + plot + right, y + 22, content, 'chart wide')
}

function drawBar({ phase, start, lane: at }: Bar, top: number, scale: ScaleLinear<number, number>): Markup {
  const [x, wide] = [left + scale(start), Math.max(1.5, scale(phase.ms))]
  const y = top + at * lane
  const text = `${oneLine(phase.name, 30)}${phase.ok ? '' : ' ✗'}`
  // Six and a half pixels for a character, and some air.
  const inside = wide > text.length * 6.5 + 10
  const title = `${text} ${duration(phase.ms)}${phase.detail === undefined ? '' : `: ${oneLine(phase.detail, 200)}`}`
  return markup`<g><title>${title}</title><rect class="phase ${phaseClass(phase.name)}${!phase.ok && ' broken'}" x="${round(x)}" y="${y + 1}" width="${round(wide)}" height="${lane - 3}" rx="2"/>${inside && label(x + 5, y + 14, text, { name: 'tp' })}</g>`
}

/** Phases that have a colour of their own; all others share one. */
const phaseNames = ['images', 'create', 'cni', 'fixtures', 'traffic', 'checks', 'evidence', 'delete']

function phaseClass(name: string): string {
  const at = phaseNames.indexOf(name)
  return at < 0 ? '' : `phase-${at}`
}

function legend(rows: readonly Row[]): Markup {
  const used = new Set(rows.flatMap(({ bars }) => bars.map(({ phase }) => phase.name)))
  const known = phaseNames.filter((name) => used.has(name))
  const others = [...used].filter((name) => !phaseNames.includes(name))
  return markup`<p class="legend" aria-hidden="true">${[...known, ...others].map((name) => markup`<span class="key"><svg width="14" height="14"><rect class="phase ${phaseClass(name)}" width="14" height="14" rx="2"/></svg> ${oneLine(name, 30)}</span> `)}</p>`
}

function phaseTable(rows: readonly Row[]): Markup {
  const names = [...new Set(rows.flatMap(({ bars }) => bars.map(({ phase }) => phase.name)))]
  const body = rows.map(({ leg, bars }) => {
    const cells = names.map((name) => {
      const here = bars.filter(({ phase }) => phase.name === name)
      if (here.length === 0) return markup`<td></td>`
      const ms = here.reduce((sum, { phase }) => sum + phase.ms, 0)
      return markup`<td class="num">${duration(ms)}${here.some(({ phase }) => !phase.ok) && ' ✗'}</td>`
    })
    return markup`<tr><th scope="row">${leg}</th>${cells}</tr>`
  })
  const table = markup`<table class="plain"><caption>Time of each phase</caption>
<thead><tr><th scope="col">Leg</th>${names.map((name) => markup`<th scope="col">${oneLine(name, 30)}</th>`)}</tr></thead><tbody>${body}</tbody></table>`
  return markup`<details class="numbers"><summary>The same as numbers</summary>${scrolling('Phases as numbers', table)}</details>`
}

function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
