import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { marks } from '../detail.ts'
import type { Run } from '../model.ts'
import { parallelText, timeText } from '../summary.ts'
import { oneLine } from '../text.ts'
import { countsOf, exitCodeMeanings } from '../verdict.ts'
import { declaredSection } from './declared.ts'
import { failuresOf } from './failures.ts'
import { legsSection } from './ladder.ts'
import { latencySection } from './latency.ts'
import { Markup, markup } from './markup.ts'
import { matrixSection, topicsOf } from './matrix.ts'
import { provenanceSection } from './provenance.ts'
import { timelineSection } from './timeline.ts'
import { facts, headline, outcomeClass, outcomeWords, viewOf, type View } from './view.ts'
import type { OutcomeKind } from '../../helpers/observation.ts'

const asset = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8')

/** In this order: what stands later wins. */
const styles = ['colours', 'frame', 'outcomes', 'pictures', 'tables', 'matrix', 'findings', 'media']

/**
 * The page of a run: one file that needs nothing else, neither network nor server nor script. Its policy lets exactly
 * our own style and script through, by their hashes, so that even a mistake in the escaping could not run or send
 * anything.
 */
export function renderHtml(run: Run): string {
  const style = styles.map((name) => asset(`style/${name}.css`)).join('')
  const script = asset('page.client.js')
  const policy = `default-src 'none'; style-src ${hashOf(style)}; script-src ${hashOf(script)}; base-uri 'none'; form-action 'none'`
  const view = viewOf(run)
  const failures = failuresOf(view)
  // Thirty ladders fill several windows; then the map comes first.
  const [legs, matrix] = [legsSection(view), matrixSection(view, failures.anchors)]
  const title = `${symbolOf(run)} ${headline(view)} · cni-conformance`
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${Markup.trusted(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${Markup.trusted(style)}</style>
</head>
<body>
<a class="skip" href="#matrix">Skip to the matrix</a>
${header(view)}
${contents(view)}
<main${!view.roomy && markup` class="many"`}>
${filters(view)}
${view.roomy ? [legs, matrix] : [matrix, legs]}
${failures.section}
${latencySection(view)}
${timelineSection(view)}
${declaredSection(view)}
${provenanceSection(view)}
</main>
<footer><p>Made from run.json by ${oneLine(`${run.tool.name} ${run.tool.version}`)}. This page loads nothing and sends nothing.</p></footer>
<script>${Markup.trusted(script)}</script>
</body>
</html>
`.toString()
}

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

function symbolOf({ verdict: { exitCode } }: Run): string {
  return exitCode === 0 ? marks.passed : exitCode === 1 ? marks.failed : marks['not-run']
}

function header(view: View): Markup {
  const { run, legs } = view
  const { exitCode, text } = run.verdict
  const kind = exitCode === 0 ? 'passed' : exitCode === 1 ? 'failed' : 'not-run'
  const counts = Object.entries(countsOf(legs.flatMap(({ leg }) => leg.outcomes))) as [OutcomeKind, number][]
  const some = counts.filter(([, number]) => number > 0)
  const sentence = oneLine(text, 2_000)
  return markup`<header class="top ${outcomeClass[kind]}">
<p class="product">Pod network conformance</p>
<h1><span class="mark" aria-hidden="true">${symbolOf(run)}</span> ${headline(view)}</h1>
${legs.length > 1 && markup`<details class="sentence"${legs.length <= 4 && markup` open`}><summary>Verdict in full</summary><p>${sentence}</p></details>`}
${facts([
  ['exit code', `${exitCode}: ${exitCodeMeanings[exitCode]}`],
  [
    'checks',
    some.length === 0 ? 'none' : some.map(([each, number]) => `${number} ${outcomeWords[each]}`).join(', '),
  ],
  ['started', markup`<time datetime="${run.run.startedAt}">${clockText(run.run.startedAt)}</time>`],
  ['took', timeText(run)],
  ...(run.parallel === undefined ? [] : [['memory', parallelText(run.parallel)] as const]),
  ['run', oneLine(run.run.id)],
  ...(run.run.partial ? [['partial', `only ${oneLine(run.run.filter ?? 'some checks')}`] as const] : []),
])}
</header>`
}

function clockText(iso: string): string {
  return `${new Date(iso).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

function contents({ roomy }: View): Markup {
  const [legs, matrix] = [['legs', 'Legs'] as const, ['matrix', 'Matrix'] as const]
  const entries = [
    ...(roomy ? [legs, matrix] : [matrix, legs]),
    ['findings', 'What did not pass'],
    ['latency', 'Latency'],
    ['timeline', 'Time line'],
    ['declared', 'Declared and measured'],
    ['provenance', 'Provenance'],
  ] as const
  return markup`<nav aria-label="Sections"><ul>${entries.map(([id, title]) => markup`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>`
}

/** Hidden until the script is there to serve it. */
function filters({ legs }: View): Markup {
  const topics = topicsOf(legs).map(({ name }) => name)
  const kinds = Object.entries(outcomeWords) as [OutcomeKind, string][]
  const option = (value: string | number, text: string): Markup =>
    markup`<option value="${value}">${text}</option>`
  return markup`<form class="filters" id="filters" role="search" aria-label="Filter the matrix, the legs and the findings" hidden>
<label>Search <input type="search" id="filter-text" autocomplete="off" spellcheck="false" placeholder="check or finding"></label>
<label>Outcome <select id="filter-outcome">${option('', 'any')}${kinds.map(([kind, words]) => option(outcomeClass[kind], words))}</select></label>
<label>Topic <select id="filter-topic">${option('', 'all')}${topics.map((name) => option(name, name))}</select></label>
<label>Leg <select id="filter-leg">${option('', 'all')}${legs.map(({ name }, at) => option(at, name))}</select></label>
<button type="reset">Clear</button>
<output id="filter-count" role="status" aria-live="polite"></output>
</form>`
}
