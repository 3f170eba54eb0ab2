import type { Outcome, OutcomeKind } from '../../helpers/observation.ts'
import { latencyOf, marks, ownMark, resentOf } from '../detail.ts'
import { count, duration, oneLine } from '../text.ts'
import { markup, type Markup, type Part } from './markup.ts'
import { outcomeClass, outcomeWords, scrolling, section, stateOutcome, topicOf } from './view.ts'
import { cniText } from '../summary.ts'
import type { LegView, View } from './view.ts'

/** Checks of one topic, with their requirement. */
interface Topic {
  name: string
  checks: { id: string; requirement: string; own: boolean }[]
}

/**
 * The heat map: a row for each check, a column for each leg.
 *
 * @param anchors where the details of a failed outcome stand on the page
 */
export function matrixSection(view: View, anchors: ReadonlyMap<Outcome, string>): Markup {
  const topics = topicsOf(view.legs)
  const checks = topics.reduce((sum, topic) => sum + topic.checks.length, 0)
  const intro = markup`${count(checks, 'check')} on ${count(view.legs.length, 'leg')}. A failed cell leads to what was seen there. ${legend()}`
  if (view.legs.length === 0) return section('matrix', 'Matrix', undefined, markup`<p>Nothing ran.</p>`)
  const head = markup`<thead><tr><th scope="col">Check</th>${view.legs.map(legHead)}<th scope="col" class="must">Requirement</th></tr></thead>`
  const table = markup`<table class="matrix ${widthOf(view)}">
<caption>Outcome of each check on each leg</caption>
${head}
${topics.map((topic) => topicRows(topic, view, anchors))}
</table>`
  return section('matrix', 'Matrix', intro, scrolling('Matrix of checks and legs', table, true))
}

/** Up to so many legs have word and time of an outcome on one line of a window 1,280 pixels wide. */
const looseLegs = 3

function widthOf({ roomy, legs }: View): string {
  if (!roomy) return 'dense'
  return legs.length <= looseLegs ? 'roomy' : 'roomy tight'
}

function legend(): Markup {
  const kinds = Object.entries(outcomeWords) as [OutcomeKind, string][]
  return markup`<span class="legend">${kinds.map(([kind, words]) => markup`<span class="key"><span class="swatch ${outcomeClass[kind]}" aria-hidden="true">${marks[kind]}</span> ${words}</span> `)}</span>`
}

function legHead({ name, state, leg }: LegView): Markup {
  const { definition } = leg.cluster
  const kind = stateOutcome[state]
  return markup`<th scope="col" class="leg ${outcomeClass[kind]}"><span class="name">${name}</span><small>${oneLine(cniText(definition.cni), 40)}</small><span class="mark" aria-hidden="true">${marks[kind]}</span></th>`
}

/** Topics in the order of the first leg that has them; their names are what ids begin with. */
export function topicsOf(legs: readonly LegView[]): Topic[] {
  const topics = new Map<string, Map<string, Outcome>>()
  for (const { leg } of legs) {
    for (const outcome of leg.outcomes) {
      const name = topicOf(outcome.check)
      const checks = topics.get(name) ?? new Map<string, Outcome>()
      if (!checks.has(outcome.check)) checks.set(outcome.check, outcome)
      topics.set(name, checks)
    }
  }
  return [...topics].map(([name, checks]) => ({
    name,
    checks: [...checks].map(([id, { requirement, own }]) => ({ id, requirement, own: own === true })),
  }))
}

function topicRows(topic: Topic, view: View, anchors: ReadonlyMap<Outcome, string>): Markup {
  return markup`<tbody data-topic="${topic.name}">
<tr class="topic"><th scope="rowgroup">${topic.name}</th>${view.legs.map((leg) => topicCell(topic, leg))}<td class="must"></td></tr>
${topic.checks.map(({ id, requirement, own }) => {
  const cells = view.legs.map(({ outcomes }) => cell(outcomes.get(id), view.roomy, anchors))
  return markup`<tr><th scope="row">${oneLine(id, 120)}${own && markup` <small>${ownMark}</small>`}</th>${cells}<td class="must">${oneLine(requirement, 300)}</td></tr>\n`
})}</tbody>`
}

/** How many of a topic's checks passed on a leg, in the colour of the worst of them. */
function topicCell({ checks }: Topic, { outcomes }: LegView): Markup {
  const here = checks.flatMap(({ id }) => outcomes.get(id) ?? [])
  const passed = here.filter(({ outcome }) => outcome === 'passed').length
  const worst = worstFirst.find((kind) => here.some(({ outcome }) => outcome === kind))
  if (worst === undefined) return markup`<td class="x">not asked</td>`
  return markup`<td class="${outcomeClass[worst]}">${passed}<span class="of">/${here.length}</span></td>`
}

const worstFirst: readonly OutcomeKind[] = ['failed', 'not-run', 'expected', 'passed', 'unsupported']

function cell(outcome: Outcome | undefined, roomy: boolean, anchors: ReadonlyMap<Outcome, string>): Markup {
  // The mark comes from the style sheet, here and below: half the nodes of a page that may have thousands of cells.
  if (outcome === undefined) return markup`<td class="x">not asked</td>`
  const kind = outcome.outcome
  const words = outcomeWords[kind]
  const anchor = anchors.get(outcome)
  const content: Part = anchor === undefined ? words : markup`<a href="#${anchor}">${words}</a>`
  return markup`<td class="${outcomeClass[kind]}">${content}${roomy && numbers(outcome)}</td>`
}

/** The median of the round trips, and on a line of its own whether something had to be sent again. */
function numbers(outcome: Outcome): Markup[] {
  const latency = latencyOf(outcome)
  const resent = resentOf(outcome)
  return [
    ...(latency === undefined ? [] : [markup` <small>${duration(latency)}</small>`]),
    ...(resent === 0 ? [] : [markup` <small class="resent">resent ${resent}×</small>`]),
  ]
}
