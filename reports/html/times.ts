import { max, median, min } from 'simple-statistics'
import { count, duration, oneLine } from '../text.ts'
import { markup, type Markup } from './markup.ts'
import { scrolling } from './view.ts'
import type { View } from './view.ts'

/** Times that checks measured besides round trips, such as from a policy's creation until it was enforced. */
export function measuredTimes({ legs }: View): Markup | undefined {
  const all = legs.flatMap(({ leg, name: from }) =>
    leg.outcomes.flatMap(({ measurements = [] }) =>
      measurements.map(({ name, ms }) => ({ leg: from, name: oneLine(name, 80), ms })),
    ),
  )
  if (all.length === 0) return undefined
  const groups = Map.groupBy(all, ({ leg, name }) => JSON.stringify([name, leg]))
  const rows = [...groups.values()]
    .toSorted(([a], [b]) => (a?.name ?? '').localeCompare(b?.name ?? ''))
    .map((group) => {
      const times = group.map(({ ms }) => ms)
      const cells = [min(times), median(times), max(times)]
      return markup`<tr><td>${group[0]?.name}</td><th scope="row">${group[0]?.leg}</th><td class="num">${times.length}</td>${cells.map((ms) => markup`<td class="num">${duration(ms)}</td>`)}</tr>`
    })
  const table = markup`<table class="plain"><caption>Measured by ${count(all.length, 'step')} of checks that change something</caption>
<thead><tr>${['What', 'Leg', 'Times', 'Least', 'Median', 'Most'].map((title) => markup`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${rows}</tbody></table>`
  return markup`<h3>Times besides round trips</h3>${scrolling('Times besides round trips', table)}`
}
