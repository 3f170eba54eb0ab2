import { undeclared } from '../../helpers/outcome.ts'
import type { Leg } from '../model.ts'
import { cniText } from '../summary.ts'
import { count, listed, oneLine } from '../text.ts'
import { markup, type Markup } from './markup.ts'
import { upstreamCnis, type UpstreamCni } from './upstream.ts'
import { scrolling, section } from './view.ts'
import type { LegView, View } from './view.ts'

/**
 * What is claimed beside what was seen. The two never share a column: a declaration is no evidence, and the heading
 * over each group of columns says which it is.
 */
export function declaredSection(view: View): Markup {
  const intro =
    'Declared: what a cluster’s file or a project says. Measured: what this run saw. Neither fills a gap of the other.'
  return section('declared', 'Declared and measured', intro, [
    markup`<h3>The clusters of this run</h3>`,
    clusterTable(view),
    markup`<h3>The CNIs</h3>`,
    cniTable(view),
  ])
}

const nothing = markup`<span class="dim">not measured</span>`

function clusterTable({ legs }: View): Markup {
  const table = markup`<table class="plain split"><caption>Each leg: its definition, and the cluster that was made from it</caption>
<colgroup></colgroup><colgroup class="declared" span="6"></colgroup><colgroup class="measured" span="9"></colgroup>
<thead><tr><th rowspan="2" scope="col">Leg</th><th colspan="6" scope="colgroup">Declared in the cluster’s file</th><th colspan="9" scope="colgroup">Measured</th></tr>
<tr>${['Kubernetes', 'CNI', 'Encapsulation', 'kube-proxy', 'Addresses', 'Features', 'Kubernetes', 'CNI', 'Encapsulation', 'Data plane', 'kube-proxy', 'MTU', 'Pods seen outside as', 'Kernel', 'Checks of features'].map((title) => markup`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${legs.map(clusterRow)}</tbody></table>`
  return scrolling('Declared and measured, for each leg', table)
}

function clusterRow({ leg, name }: LegView): Markup {
  const { definition } = leg.cluster
  const { cni, network, features } = definition
  const seen = leg.identity
  const declared = [
    definition.kubernetes,
    cniText(cni),
    textOf(cni['encapsulation']),
    network.kubeProxy,
    network.ipFamily,
    features.length === 0 ? 'none' : features.join(', '),
  ]
  const measured = [
    withDifference(seen.kubernetes, definition.kubernetes),
    withDifference(seen.cni === undefined ? undefined : cniText(seen.cni), cniText(cni)),
    seen.cni?.encapsulation,
    seen.cni?.dataPlane,
    seen.kubeProxy,
    seen.mtu?.toString(),
    sourceOutside(leg),
    seen.kernel,
  ].map((value) => (value === undefined ? nothing : typeof value === 'string' ? oneLine(value, 80) : value))
  return markup`<tr><th scope="row">${name}</th>${declared.map((value) => markup`<td>${oneLine(value, 80)}</td>`)}${measured.map((value) => markup`<td>${value}</td>`)}<td>${featureResults(leg)}</td></tr>\n`
}

/** Under which address a server outside the cluster saw pods; undefined where nobody was asked or answered. */
function sourceOutside({ outcomes, identity }: Leg): string | undefined {
  const addresses = new Map(identity.nodes?.map(({ name, address }) => [name, address]))
  const kinds = outcomes
    .filter(({ check }) => check.startsWith('egress/outside/'))
    .flatMap(({ observations }) => observations)
    .flatMap(({ from, peers }) =>
      peers.flatMap(({ saw }) =>
        saw.map((address) => {
          if (address === from.address) return 'themselves'
          return address === addresses.get(from.node ?? '') ? 'their node' : `somebody else (${address})`
        }),
      ),
    )
  return kinds.length === 0 ? undefined : listed([...new Set(kinds)])
}

/** The measured value; marked where the cluster turned out other than declared. */
function withDifference(measured: string | undefined, declared: string): Markup | undefined {
  if (measured === undefined) return undefined
  if (declared === undeclared) return markup`${oneLine(measured, 80)}`
  const same = measured.replaceAll(/\bv(?=\d)/g, '') === declared.replaceAll(/\bv(?=\d)/g, '')
  return markup`${oneLine(measured, 80)}${!same && markup` <strong>differs</strong>`}`
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : 'not said'
}

/** Outcomes of the checks that need a feature, for each that is declared or asked for. */
function featureResults({ cluster, outcomes }: Leg): Markup | string {
  const asked = outcomes.flatMap(({ features = [] }) => features)
  const features = [...new Set([...cluster.definition.features, ...asked])]
  if (features.length === 0) return 'none'
  const parts = features.map((feature) => {
    const here = outcomes.filter((outcome) => outcome.features?.includes(feature))
    if (here.length === 0) return `${oneLine(feature, 40)}: no check`
    const kinds = Map.groupBy(here, ({ outcome }) => outcome)
    return `${oneLine(feature, 40)}: ${[...kinds].map(([kind, some]) => `${some.length} ${kind}`).join(', ')}`
  })
  return markup`${parts.join('; ')}`
}

function cniTable(view: View): Markup {
  const known = new Set(upstreamCnis.map(({ name }) => name))
  const others = [...new Set(view.legs.map(({ leg }) => leg.cluster.definition.cni.name))]
    .filter((name) => !known.has(name))
    .map((name) => oneLine(name, 40))
  const table = markup`<table class="plain split"><caption>Each CNI: what its project says, and what this run measured</caption>
<colgroup></colgroup><colgroup class="declared" span="5"></colgroup><colgroup class="measured" span="4"></colgroup>
<thead><tr><th rowspan="2" scope="col">CNI</th><th colspan="5" scope="colgroup">Declared by the project</th><th colspan="4" scope="colgroup">Measured in this run</th></tr>
<tr>${['Data plane', 'Encapsulation', 'NetworkPolicy', 'Encryption', 'Source', 'Legs', 'Core checks', 'NetworkPolicy checks', 'Encryption'].map((title) => markup`<th scope="col">${title}</th>`)}</tr></thead>
<tbody>${upstreamCnis.map((each) => cniRow(each, view))}${others.map((name) => otherRow(name, view))}</tbody></table>`
  return scrolling('Declared and measured, for each CNI', table)
}

function cniRow(cni: UpstreamCni, view: View): Markup {
  const { title, archived, dataPlane, encapsulation, networkPolicy, encryption, sources } = cni
  const note = archived !== undefined && markup` <small>${archived}; declared only</small>`
  const links = sources.map(
    (source, at) =>
      markup`<a href="${source}" rel="noreferrer" aria-label="Source ${at + 1} for ${title}">${at + 1}</a> `,
  )
  const declared = [dataPlane, encapsulation, networkPolicy, encryption]
  return markup`<tr><th scope="row">${title}${note}</th>${declared.map((value) => markup`<td>${value}</td>`)}<td>${links}</td>${measuredCells(cni.name, view)}</tr>\n`
}

/** A CNI of the run that we have no words of its project about. */
function otherRow(name: string, view: View): Markup {
  return markup`<tr><th scope="row">${name}</th><td colspan="5" class="dim">nothing on record</td>${measuredCells(name, view)}</tr>\n`
}

function measuredCells(cni: string, { legs }: View): Markup {
  const here = legs.filter(({ leg }) => leg.cluster.definition.cni.name === cni)
  if (here.length === 0) return markup`<td colspan="4">${nothing}</td>`
  const outcomes = here.flatMap(({ leg }) => leg.outcomes)
  const core = outcomes.filter(({ level }) => level === 'core')
  const policy = outcomes.filter(({ features }) => features?.includes('network-policy'))
  const names = here.length <= 4 ? listed(here.map(({ name }) => name)) : count(here.length, 'leg')
  return markup`<td>${names}</td><td>${passedOf(core)}</td><td>${passedOf(policy)}</td><td>${nothing}</td>`
}

function passedOf(outcomes: readonly { outcome: string }[]): Markup {
  const passed = outcomes.filter(({ outcome }) => outcome === 'passed').length
  const unsupported = outcomes.filter(({ outcome }) => outcome === 'unsupported').length
  if (outcomes.length === 0) return nothing
  return markup`${passed} of ${outcomes.length} passed${unsupported > 0 && `, ${unsupported} unsupported`}`
}
