import type { Outcome, OutcomeKind } from '../../helpers/observation.ts'
import { aboutText, detailsIn } from '../detail.ts'
import { count, listed, oneLine, unglued } from '../text.ts'
import { markup, type Markup } from './markup.ts'
import { pathPicture } from './path.ts'
import { badge, facts, outcomeWords, scrolling, section, topicOf } from './view.ts'
import type { LegView, View } from './view.ts'

/** What did not pass, and where on the page each failure stands. */
export interface Failures {
  section: Markup
  anchors: ReadonlyMap<Outcome, string>
}

/** Characters of failed checks' details; beyond, a page for a wholly broken matrix would be too heavy to open. */
const detailLimit = 1_500_000
/** Paths drawn for each failed check; the words below the pictures go on. */
const drawnPaths = 2
/** Up to so many failures all stand open; beyond, the first of each leg. */
const openFailures = 8

/** Every failed check with both ends of its broken paths, then what neither passed nor failed, by its reason. */
export function failuresOf(view: View): Failures {
  const anchors = new Map<Outcome, string>()
  const total = view.legs.reduce((sum, { counts }) => sum + counts.failed, 0)
  let used = 0
  const groups = view.legs.map((leg, at) => {
    const failed = leg.leg.outcomes.filter(({ outcome }) => outcome === 'failed')
    const details = detailsIn(leg.leg.outcomes)
    const cards: Markup[] = []
    for (const outcome of failed) {
      if (used > detailLimit) break
      const anchor = `failed-${at}-${cards.length}`
      const open = total <= openFailures || cards.length === 0
      const card = failedCard(outcome, anchor, open, details(outcome))
      used += card.toString().length
      anchors.set(outcome, anchor)
      cards.push(card)
    }
    return cards.length === 0 ? undefined : legGroup(leg, at, cards)
  })
  const left = total - anchors.size
  const content = markup`${total === 0 ? markup`<p>${badge('passed', 'no check failed')}</p>` : groups}
${left > 0 && markup`<p><strong>${count(left, 'more failed check')} did not fit on this page: see run.json and junit.xml.</strong></p>`}
${withoutResult(view)}`
  return { section: section('findings', 'What did not pass', undefined, content), anchors }
}

function legGroup({ name, counts }: LegView, at: number, cards: readonly Markup[]): Markup {
  return markup`<div class="group" data-leg="${at}"><h3>${name} <span class="dim">${counts.failed} failed</span></h3>${cards}</div>`
}

function failedCard(
  outcome: Outcome,
  anchor: string,
  open: boolean,
  details: ReturnType<ReturnType<typeof detailsIn>>,
): Markup {
  const off = outcome.observations.filter(({ verdict, expected }) => verdict !== expected)
  const [first] = off
  const seen = first === undefined ? (outcome.reason ?? '') : `${first.verdict}, expected ${first.expected}`
  const pictures = off.slice(0, drawnPaths).map((each) => pathPicture(each))
  const told = details.filter(({ label }) => label !== 'evidence')
  // Inside: a browser opens the element around the target of a link, not the target itself.
  return markup`<details class="finding"${open && markup` open`} data-topic="${topicOf(outcome.check)}">
<summary><h4>${badge('failed')} ${oneLine(outcome.check)}</h4> <span class="dim">${oneLine(seen, 160)}</span></summary>
<div class="inside" id="${anchor}">
${pictures}
${facts([
  ...told.map(({ label, text }) => [label, unglued(text)] as const),
  ...(outcome.evidence === undefined ? [] : [['evidence', evidenceLink(outcome.evidence)] as const]),
  ['level', oneLine(aboutText(outcome))],
])}
</div></details>\n`
}

/**
 * The folder of evidence lies beside the page, or beside the folder of a merged run. A path of another kind is told,
 * and no link.
 */
export function evidenceLink(path: string): Markup {
  const text = oneLine(path)
  const steps = path.split('/')
  const first = steps.findIndex((step) => step !== '..')
  const named = steps.slice(first === -1 ? steps.length : first)
  const beside = named.length > 0 && named.every((step) => !['', '.', '..'].includes(step))
  if (!beside || !path.isWellFormed()) return markup`${text}`
  // Encoded step by step, nothing in it is a scheme, a query or a host.
  const href = `./${steps.map(encodeURIComponent).join('/')}/`
  return markup`<a href="${href}">${text}</a>`
}

const withoutResultKinds: readonly OutcomeKind[] = ['not-run', 'expected', 'unsupported']

/** One row for each reason: where it holds, and for which checks. */
function withoutResult(view: View): Markup | undefined {
  const rows = withoutResultKinds.flatMap((kind) => rowsOf(kind, view))
  if (rows.length === 0) return undefined
  const table = markup`<table class="plain"><caption>Checks that neither passed nor failed, by reason</caption>
<thead><tr><th scope="col">Outcome</th><th scope="col">Why</th><th scope="col">Legs</th><th scope="col">Checks</th></tr></thead>
<tbody>${rows}</tbody></table>`
  return markup`<h3>Neither passed nor failed</h3>${scrolling('Checks without a result, by reason', table)}`
}

function rowsOf(kind: OutcomeKind, view: View): Markup[] {
  const found = view.legs.flatMap(({ leg, name }) => {
    const here = leg.outcomes.filter(({ outcome }) => outcome === kind)
    const byReason = Map.groupBy(here, ({ reason }) => oneLine(reason ?? 'no reason given'))
    return [...byReason].map(([reason, outcomes]) => ({
      leg: name,
      reason,
      checks: outcomes.map(({ check }) => oneLine(check, 120)),
    }))
  })
  // Legs that say the same of the same checks share a row.
  const alike = Map.groupBy(found, ({ reason, checks }) => JSON.stringify([reason, checks]))
  return [...alike.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { reason, checks } = first
    return [
      markup`<tr><td>${badge(kind, outcomeWords[kind])}</td><td>${reason}</td><td>${listed(group.map(({ leg }) => leg))}</td><td>${checkList(checks)}</td></tr>`,
    ]
  })
}

function checkList(checks: readonly string[]): Markup {
  if (checks.length <= 3) return markup`${checks.join(', ')}`
  return markup`<details><summary>${count(checks.length, 'check')}</summary><ul>${checks.map((check) => markup`<li>${check}</li>`)}</ul></details>`
}
