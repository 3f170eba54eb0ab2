import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { count } from '../reports/text.ts'
import { checks } from '../suites/catalogue.ts'
import { faults } from '../suites/faults/catalogue.ts'
import type { Fault } from '../suites/faults/fault.ts'
import { measuredFolder, parseMeasured, type Measured } from '../suites/faults/measured.ts'
import { code, escaped } from './page-text.ts'

/** docs/detection.md: what each fault did to the checks of each cluster, as it was measured. */

const folder = join(import.meta.dirname, '..', measuredFolder)

/** The page, from the files that `npm run test:detection` writes. */
export function detectionMarkdown(): string {
  const clusters = globSync('*.json', { cwd: folder })
    .toSorted()
    .map((file) => parseMeasured(readFileSync(join(folder, file), 'utf8')))
  return [
    '<!-- Made by `npm run generate` from what `npm run test:detection` has measured. -->',
    '# What each fault turns red, measured',
    'Each fault is made on a real cluster, all checks that it may concern are asked, and every cell is compared with what [the catalogue](catalogue.md) declares: red where it says so, green elsewhere. Only rows that were exact, and green again after healing, are written down here.',
    clusters.map(clusterLine).join('\n'),
    '## Checks',
    'By how many faults each check was seen red, or left without a verdict (in brackets).',
    checkTable(clusters),
    '## Faults',
    ...faults.map((fault) => faultSection(fault, clusters)),
  ].join('\n\n')
}

function clusterLine({ cluster, cni, encapsulation, kubeProxy, rows }: Measured): string {
  const days = [...new Set(Object.values(rows).map(({ on }) => on))].toSorted()
  const when = [...new Set([days.at(0), days.at(-1)])].join(' to ')
  const made = count(Object.keys(rows).length, 'fault')
  return `- **${cluster}**: ${cni}, encapsulation ${encapsulation}, kube-proxy ${kubeProxy}; ${made}, ${when}`
}

function checkTable(clusters: readonly Measured[]): string {
  const times = (ended: 'failed' | 'notRun', id: string, { rows }: Measured): number =>
    Object.values(rows).filter((row) => row[ended].includes(id)).length
  const cell = (id: string, measured: Measured): string => {
    const [red, silent] = [times('failed', id, measured), times('notRun', id, measured)]
    return `${red === 0 ? '–' : red}${silent === 0 ? '' : ` (${silent})`}`
  }
  return [
    `| check | ${clusters.map(({ cluster }) => cluster).join(' | ')} |`,
    `| --- |${' --- |'.repeat(clusters.length)}`,
    ...checks.map(({ id }) => `| ${code(id)} | ${clusters.map((each) => cell(id, each)).join(' | ')} |`),
  ].join('\n')
}

function faultSection({ id, breaks }: Fault, clusters: readonly Measured[]): string {
  const seen = clusters.flatMap((each) => {
    const row = each.rows[id]
    return row === undefined ? [] : [{ cluster: each.cluster, row }]
  })
  const counts = seen.map(({ cluster, row }) => {
    const silent = row.notRun.length === 0 ? '' : `, ${row.notRun.length} without a verdict`
    return `- ${cluster}: ${row.failed.length} red${silent}, ${row.green} green; whole again after ${(row.healedMs / 1000).toFixed(1)} s`
  })
  const hit = [...new Set(seen.flatMap(({ row }) => [...row.failed, ...row.notRun]))].toSorted()
  const where = (check: string): string => {
    const on = seen.filter(({ row }) => row.failed.includes(check) || row.notRun.includes(check))
    return on.length === seen.length ? '' : ` (${on.map(({ cluster }) => cluster).join(', ')})`
  }
  const list = hit.map((check) => `${code(check)}${where(check)}`).join(', ')
  return [
    `### ${code(id)}`,
    escaped(breaks),
    seen.length === 0 ? 'Not measured yet.' : counts.join('\n'),
    ...(seen.length === 0 ? [] : [list]),
  ].join('\n\n')
}
