import type { Outcome, OutcomeKind } from '../../helpers/observation.ts'
import { marks } from '../detail.ts'
import type { Leg, Run } from '../model.ts'
import { count, listed, oneLine } from '../text.ts'
import { countsOf, openEndsOf } from '../verdict.ts'
import { markup, type Markup, type Part } from './markup.ts'

/** What the sections of the page share. */
export interface View {
  run: Run
  legs: readonly LegView[]
  /** Whether there is room for words in the cells of tables with a column for each leg. */
  roomy: boolean
}

/** A leg with what is asked of it again and again. */
export interface LegView {
  leg: Leg
  name: string
  state: LegState
  counts: Readonly<Record<OutcomeKind, number>>
  /** Outcomes by the id of their check. */
  outcomes: ReadonlyMap<string, Outcome>
}

/** `open`: no verdict about the network. */
export type LegState = 'passed' | 'failed' | 'open'

/** Legs that fit side by side with words in their cells on a laptop. */
const roomyLegs = 6

export function viewOf(run: Run): View {
  const legs = run.legs.map((leg): LegView => {
    const counts = countsOf(leg.outcomes)
    return {
      leg,
      name: oneLine(leg.cluster.name, 60),
      state: counts.failed > 0 ? 'failed' : openEndsOf(leg).length > 0 ? 'open' : 'passed',
      counts,
      outcomes: new Map(leg.outcomes.map((outcome) => [outcome.check, outcome])),
    }
  })
  return { run, legs, roomy: legs.length <= roomyLegs }
}

/** The run in a few words, also where its own sentence names thirty legs. */
export function headline({ legs, run }: View): string {
  if (legs.length < 2) return oneLine(run.verdict.text, 300)
  const named = { failed: 'failed', open: 'without a verdict', passed: 'passed' } as const
  const parts = (['failed', 'open', 'passed'] as const).flatMap((state) => {
    const number = legs.filter((each) => each.state === state).length
    return number === 0 ? [] : [`${number} ${named[state]}`]
  })
  return `${count(legs.length, 'leg')}: ${listed(parts)}`
}

/** What a check's id begins with. */
export function topicOf(check: string): string {
  return oneLine(check.split('/')[0] ?? '', 60)
}

/** Classes of outcomes in the style sheet: one letter, because a page has thousands. */
export const outcomeClass: Readonly<Record<OutcomeKind, string>> = {
  passed: 'p',
  failed: 'f',
  unsupported: 'u',
  expected: 'e',
  'not-run': 'n',
}

/** Outcomes in words. */
export const outcomeWords: Readonly<Record<OutcomeKind, string>> = {
  passed: 'passed',
  failed: 'failed',
  unsupported: 'unsupported',
  expected: 'expected deviation',
  'not-run': 'not run',
}

/** The mark and the words of an outcome; the colour comes from the class, and is never alone. */
export function badge(kind: OutcomeKind, words: string = outcomeWords[kind]): Markup {
  return markup`<span class="badge ${outcomeClass[kind]}"><span aria-hidden="true">${marks[kind]}</span> ${words}</span>`
}

/** The outcome that stands for a leg's state. */
export const stateOutcome: Readonly<Record<LegState, OutcomeKind>> = {
  passed: 'passed',
  failed: 'failed',
  open: 'not-run',
}

/** A section with its heading, and a line that says how to read it. */
export function section(id: string, title: string, intro: Part, content: Part): Markup {
  return markup`
<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${intro === undefined ? undefined : markup`<p class="intro">${intro}</p>`}
${content}
</section>`
}

/** A table that may be wider than the window: it scrolls by itself, also by keyboard. */
export function scrolling(label: string, content: Markup, tall = false): Markup {
  return markup`<div class="scroll${tall && ' tall'}" role="region" aria-label="${label}" tabindex="0">${content}</div>`
}

/** Pairs of a term and what it says, as a description list. */
export function facts(pairs: readonly (readonly [term: string, text: Part])[]): Markup {
  return markup`<dl class="facts">${pairs.map(([term, text]) => markup`<div><dt>${term}</dt><dd>${text}</dd></div>`)}</dl>`
}
