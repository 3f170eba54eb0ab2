import { scaleLog, type ScaleLogarithmic } from 'd3-scale'
import { max, median, min, quantile } from 'simple-statistics'
import { rungs, type Rung } from '../../helpers/check.ts'
import type { Observation, Outcome } from '../../helpers/observation.ts'
import { rungNames } from '../ladder.ts'
import { count, duration, oneLine } from '../text.ts'
import { markup, type Markup } from './markup.ts'
import { label, picture, round } from './svg.ts'
import { measuredTimes } from './times.ts'
import { scrolling, section } from './view.ts'
import type { View } from './view.ts'

/**
 * Latency per path and leg. Scales and ticks are d3's; the marks are drawn here and not by vega-lite: its pictures of
 * 30 legs take 2 MB with a mark for each probe (one path element for each leg here: 0.1 MB), 0.4 s, a colour of their own
 * in each mark that no dark mode reaches, and 80 packages.
 */

/** What the probes of one leg took on one kind of path. */
interface Series {
  leg: string
  /** Milliseconds, ascending; each the median of one probe's answers. */
  values: readonly number[]
}

interface Panel {
  rung: Rung
  series: readonly Series[]
}

const [left, plot, right] = [150, 430, 110]

/** The distributions as pictures, and the same as numbers in a table. */
export function latencySection(view: View): Markup {
  const panels = panelsOf(view)
  const all = panels.flatMap(({ series }) => series.flatMap(({ values }) => values))
  const times = measuredTimes(view)
  if (all.length === 0)
    return section('latency', 'Latency by path', undefined, [markup`<p>No probe was answered.</p>`, times])
  const scale = scaleLog()
    .domain([min(all) * 0.9, Math.max(max(all), min(all) * 2) * 1.1])
    .range([0, plot])
  const intro =
    'A dot is one probe: the median round trip of its answers, as its pod measured it. The bar spans the middle half of the probes, the line is their median. All pictures share one logarithmic axis.'
  const content = markup`<div class="panels">${panels.map((panel) => drawPanel(panel, scale, view.roomy))}</div>
${numbersTable(panels)}
${times}`
  return section('latency', 'Latency by path', intro, content)
}

/** Kinds of path that were answered on some leg; a leg without an answer there has an empty series. */
function panelsOf({ legs }: View): Panel[] {
  return rungs
    .map((rung) => ({
      rung,
      series: legs.map(({ leg, name }) => ({ leg: name, values: valuesOf(leg.outcomes, rung) })),
    }))
    .filter(({ series }) => series.some(({ values }) => values.length > 0))
}

function valuesOf(outcomes: readonly Outcome[], rung: Rung): number[] {
  const values = outcomes.flatMap((outcome) =>
    outcome.observations.flatMap((each) =>
      each.latencyMs === undefined || pathOf(outcome, each) !== rung ? [] : Math.max(each.latencyMs, 0.01),
    ),
  )
  return values.toSorted((a, b) => a - b)
}

/** The kind of path of an observation: the rung of its check, else from where to where it went. */
function pathOf({ rung }: Outcome, { from, to, protocol }: Observation): Rung | undefined {
  if (protocol === 'none') return undefined
  if (rung !== undefined) return rung
  if (from.node === undefined || to.node === undefined) return undefined
  if (from.name === to.name) return 'loopback'
  return from.node === to.node ? 'same-node' : 'other-node'
}

function drawPanel({ rung, series }: Panel, scale: ScaleLogarithmic<number, number>, roomy: boolean): Markup {
  const row = roomy ? 26 : 15
  const bottom = series.length * row
  const ticks = scale.ticks().filter(isRoundTick)
  const grid = ticks.map((tick) => `M${round(left + scale(tick))} 0V${bottom}`).join('')
  const named = ticks.filter((tick) => Number.isInteger(Math.log10(tick)) || ticks.length < 8)
  const medians = series.map(({ leg, values }) =>
    values.length === 0 ? `${leg} no answer` : `${leg} ${duration(median([...values]))}`,
  )
  const content = markup`<path class="grid" d="${grid}"/>
${series.map((each, at) => drawSeries(each, at, row, scale))}
${named.map((tick) => label(left + scale(tick), bottom + 16, tickText(tick), { name: 'td', anchor: 'middle' }))}`
  const name = `Latency, ${rungNames[rung]}. Medians: ${medians.join(', ')}`
  return markup`<figure><figcaption>${rungNames[rung]}</figcaption>${picture(name, left + plot + right, bottom + 22, content, 'chart')}</figure>`
}

function drawSeries(
  { leg, values }: Series,
  at: number,
  row: number,
  scale: ScaleLogarithmic<number, number>,
): Markup {
  const y = (at + 0.5) * row
  const name = label(left - 10, y + 4, leg, { anchor: 'end', limit: 22 })
  if (values.length === 0)
    return markup`${name}${label(left + plot + 12, y + 4, 'no answer', { name: 'td' })}`
  const list = [...values]
  const x = (value: number): number => round(left + scale(value))
  const middle = median(list)
  // Dots that fall on one another are one dot: a path of this many would only be longer.
  const dots = [...new Set(list.map(x))].map((each) => `M${each} ${round(y)}h0`).join('')
  const half = row * 0.3
  const [low, high] = [x(quantile(list, 0.25)), x(quantile(list, 0.75))]
  return markup`${name}<rect class="half" x="${low}" y="${round(y - half)}" width="${round(Math.max(1, high - low))}" height="${round(half * 2)}" rx="2"/><path class="dots" d="${dots}"/><path class="median" d="M${x(middle)} ${round(y - half - 2)}V${round(y + half + 2)}"/>${label(left + plot + 12, y + 4, `${duration(middle)} · ${list.length}`, { name: 'td' })}`
}

/** 1, 2 and 5 of each power of ten. */
function isRoundTick(tick: number): boolean {
  return [1, 2, 5].includes(Math.round(tick / 10 ** Math.floor(Math.log10(tick) + 1e-9)))
}

function tickText(tick: number): string {
  return tick >= 1_000 ? `${Number((tick / 1_000).toPrecision(3))} s` : `${Number(tick.toPrecision(3))} ms`
}

function numbersTable(panels: readonly Panel[]): Markup {
  const rows = panels.flatMap(({ rung, series }) =>
    series
      .filter(({ values }) => values.length > 0)
      .map(({ leg, values }) => {
        const list = [...values]
        const cells = [min(list), median(list), quantile(list, 0.95), max(list)]
        return markup`<tr><td>${rungNames[rung]}</td><th scope="row">${oneLine(leg)}</th><td class="num">${list.length}</td>${cells.map((value) => markup`<td class="num">${duration(value)}</td>`)}</tr>`
      }),
  )
  const table = markup`<table class="plain"><caption>Latency by path and leg</caption>
<thead><tr><th scope="col">Path</th><th scope="col">Leg</th><th scope="col">Probes</th><th scope="col">Least</th><th scope="col">Median</th><th scope="col">95 %</th><th scope="col">Most</th></tr></thead>
<tbody>${rows}</tbody></table>`
  return markup`<details class="numbers"><summary>The same as numbers (${count(rows.length, 'row')})</summary>${scrolling('Latency as numbers', table)}</details>`
}
