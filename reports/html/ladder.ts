import { marks } from '../detail.ts'
import { ladderOf, rungNames, type LadderRung } from '../ladder.ts'
import type { Leg } from '../model.ts'
import { coverageText, spentOf } from '../scope.ts'
import { identityText, originText, runMillis } from '../summary.ts'
import { duration, oneLine, plain } from '../text.ts'
import { openEndsOf } from '../verdict.ts'
import { markup, type Markup } from './markup.ts'
import { label, picture } from './svg.ts'
import { badge, outcomeClass, outcomeWords, section, stateOutcome } from './view.ts'
import type { LegView, View } from './view.ts'
import type { OutcomeKind } from '../../helpers/observation.ts'

/** Each leg: what it was, how far up the ladder it came, the likely layer, why there is no verdict. */
export function legsSection(view: View): Markup {
  const intro =
    'The ladder of each leg, lowest rung first: what a packet needs before the next rung can hold. The first broken rung is the likely layer.'
  const cards = view.legs.map((each, index) => legCard(each, index, view))
  return section('legs', 'Legs', intro, markup`<div class="legs">${cards}</div>`)
}

function legCard(each: LegView, index: number, view: View): Markup {
  const { leg, name, counts, state } = each
  const kind = stateOutcome[state]
  const counted = Object.entries(counts).filter(([, number]) => number > 0) as [OutcomeKind, number][]
  const words = { passed: 'passed', failed: 'failed', open: 'no verdict' }[state]
  const coverage = coverageText(leg)
  const spent = spentOf(leg, view.run)
  const alone = view.legs.length === 1 ? duration(runMillis(view.run)) : legTime(leg)
  return markup`<article class="leg ${outcomeClass[kind]}" id="leg-${index}" aria-labelledby="leg-${index}-name" data-leg="${index}">
<h3 id="leg-${index}-name">${name} ${badge(kind, words)}</h3>
<p class="dim">${identityText(leg)}</p>
${leg.origin !== undefined && markup`<p class="dim">from ${originText(leg.origin)}</p>`}
${coverage !== undefined && markup`<p class="dim">coverage: ${coverage}</p>`}
${ladderPicture(leg)}
<p class="counts">${counted.map(([each, number]) => `${number} ${outcomeWords[each]}`).join(' · ')}${alone !== undefined && markup`<span class="dim"> · ${alone}</span>`}</p>
${spent !== undefined && markup`<p class="dim">budget: ${spent.text}</p>`}
${diagnosisOf(leg)}
${openEnds(leg)}
</article>`
}

function legTime({ phases }: Leg): string | undefined {
  if (phases.length === 0) return undefined
  const starts = phases.map(({ startedAt }) => Date.parse(startedAt))
  const ends = phases.map(({ startedAt, ms }) => Date.parse(startedAt) + ms)
  return duration(Math.max(...ends) - Math.min(...starts))
}

function diagnosisOf({ diagnosis }: Leg): Markup | undefined {
  if (diagnosis === undefined) return undefined
  return markup`<p><strong>Likely layer: ${rungNames[diagnosis.rung]}.</strong> ${oneLine(diagnosis.text)}</p>
<ul>${diagnosis.because.map((reason) => markup`<li>${oneLine(reason)}</li>`)}</ul>`
}

/** Why there is no verdict, or not a whole one; of a failed set-up all that is known. */
function openEnds(leg: Leg): Markup | undefined {
  const { setupFailure: failure } = leg
  const ends = openEndsOf(leg)
  if (failure === undefined)
    return ends.length === 0 ? undefined : markup`<p><strong>Open:</strong> ${ends.join('; ')}</p>`
  return markup`<p><strong>Set-up failed in phase ${oneLine(failure.phase)}.</strong> ${oneLine(failure.what)}</p>
${failure.seen !== undefined && markup`<pre>${plain(failure.seen)}</pre>`}
<p><strong>Next:</strong> ${oneLine(failure.next)}</p>`
}

const [gap, radius, height] = [82, 13, 86]

/** The five rungs with arrows between them; the first broken one is ringed. */
function ladderPicture(leg: Leg): Markup | undefined {
  const ladder = ladderOf(leg.outcomes).filter(({ state }) => state !== 'absent')
  if (ladder.length === 0) return undefined
  const broken = ladder.findIndex(({ state }) => state === 'failed')
  const said = ladder.map(
    (rung, at) => `${rungNames[rung.rung]} ${words(rung)}${at === broken ? ', the first broken rung' : ''}`,
  )
  const rungs = ladder.map((rung, at) => drawRung(rung, at, at === broken))
  return picture(`Ladder: ${said.join('; ')}`, gap * ladder.length, height, rungs, 'ladder')
}

function words({ state, passed, failed, other }: LadderRung): string {
  return `${state === 'unknown' ? 'not known' : state}, ${passed} of ${passed + failed + other} passed`
}

function drawRung(rung: LadderRung, at: number, firstBroken: boolean): Markup {
  const x = gap * (at + 0.5)
  const kind = rung.state === 'passed' || rung.state === 'failed' ? rung.state : 'not-run'
  const arrow =
    at > 0 && markup`<path class="arrow" d="M${x - gap + radius + 8} 34H${x - radius - 8}m-6 -4l6 4l-6 4"/>`
  return markup`${arrow}${firstBroken && markup`<circle class="ring" cx="${x}" cy="34" r="${radius + 4}"/>${label(x, 11, 'first broken', { name: 'tb', anchor: 'middle' })}`}<circle class="rung ${outcomeClass[kind]}" cx="${x}" cy="34" r="${radius}"/>${label(x, 39, marks[kind], { name: `on ${outcomeClass[kind]}`, anchor: 'middle' })}${label(x, 66, rungNames[rung.rung], { anchor: 'middle' })}${label(x, 80, `${rung.passed}/${rung.passed + rung.failed + rung.other}`, { name: 'td', anchor: 'middle' })}`
}
