import type { Machine, Provenance } from '../model.ts'
import { count, listed, oneLine } from '../text.ts'
import { markup, type Markup } from './markup.ts'
import { facts, scrolling, section } from './view.ts'
import type { View } from './view.ts'

/** Where every artefact came from, and the machine that it all ran on. */
export function provenanceSection(view: View): Markup {
  const { run } = view
  const tool = facts([['tool', oneLine(`${run.tool.name} ${run.tool.version}`)]])
  return section('provenance', 'Provenance', undefined, [
    machines(view),
    tool,
    markup`<h3>Definitions</h3>`,
    definitions(view),
    markup`<h3>Images, binaries, manifests</h3>`,
    artefacts(view),
  ])
}

/** Of a merged run each leg has its own; the same ones are told once. */
function machines({ run, legs }: View): Markup[] {
  const owned = legs.map(({ leg, name }) => ({ name, machine: leg.origin?.machine ?? run.machine }))
  const alike = Map.groupBy(owned, ({ machine }) => JSON.stringify(machine))
  if (alike.size <= 1) return [markup`<h3>Machine</h3>`, machineFacts(owned[0]?.machine ?? run.machine)]
  return [...alike.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    return [markup`<h3>Machine of ${listed(group.map(({ name }) => name))}</h3>`, machineFacts(first.machine)]
  })
}

function machineFacts({ os, kernel, arch, cpus, memoryMiB, dockerVersion, cgroup, node }: Machine): Markup {
  return facts([
    ['system', oneLine(`${os}, Linux ${kernel}, ${arch}`)],
    ['size', `${count(cpus, 'CPU')}, ${(memoryMiB / 1_024).toFixed(1)} GiB`],
    ['Docker', dockerVersion === undefined ? 'not known' : oneLine(dockerVersion)],
    ['cgroup', oneLine(cgroup)],
    ['Node.js', oneLine(node)],
  ])
}

function definitions({ legs }: View): Markup {
  const rows = legs.map(
    ({ leg: { cluster }, name }) =>
      markup`<tr><th scope="row">${name}</th><td>${oneLine(cluster.file)}</td><td><code>${oneLine(cluster.sha256)}</code></td><td><code>${oneLine(cluster.checksSha256)}</code></td></tr>`,
  )
  const table = markup`<table class="plain"><caption>The file of each leg, and the hashes that say whether two runs can be compared</caption>
<thead><tr><th scope="col">Leg</th><th scope="col">File</th><th scope="col">SHA-256</th><th scope="col">SHA-256 of the checks</th></tr></thead><tbody>${rows}</tbody></table>`
  return scrolling('Definitions', table)
}

function artefacts({ legs }: View): Markup {
  const all = legs.flatMap(({ leg, name }) => leg.provenance.map((each) => ({ each, name })))
  if (all.length === 0) return markup`<p>None on record.</p>`
  const alike = Map.groupBy(all, ({ each }) => JSON.stringify(each))
  const rows = [...alike.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const names = group.map(({ name }) => name)
    return [artefactRow(first.each, names.length === legs.length ? 'all' : listed(names))]
  })
  const titles = ['Artefact', 'Kind', 'Version', 'Came from', 'Upstream', 'Digest', 'Legs']
  const table = markup`<table class="plain"><caption>Every artefact of the clusters, and the provider that brought it</caption>
<thead><tr>${titles.map((title) => markup`<th scope="col">${title}</th>`)}</tr></thead><tbody>${rows}</tbody></table>`
  return scrolling('Images, binaries and manifests', table)
}

function artefactRow(each: Provenance, legs: string): Markup {
  const built =
    each.builtFrom !== undefined && markup`<br><small>built from ${oneLine(each.builtFrom, 600)}</small>`
  return markup`<tr><th scope="row">${oneLine(each.artefact)}</th><td>${each.kind}</td><td>${oneLine(each.version)}</td><td>${oneLine(each.provider)}</td><td>${oneLine(each.upstream)}${built}</td><td><code>${oneLine(each.digest)}</code></td><td>${legs}</td></tr>\n`
}
