import { checks } from '../suites/catalogue.ts'
import { faults } from '../suites/faults/catalogue.ts'
import type { Fault } from '../suites/faults/fault.ts'
import { requirements } from '../suites/requirements.ts'
import { listRows, type ListRow } from './list.ts'
import { code, escaped } from './page-text.ts'

/**
 * docs/catalogue.md: every check, what it covers, and the faults that must turn it red.
 *
 * @throws {Error} where a check covers a number that suites/requirements.ts does not know
 */
export function catalogueMarkdown(): string {
  const rows = listRows()
  const unknown = rows.flatMap(({ id, covers }) =>
    covers.filter((number) => !(number in requirements)).map((number) => `${id} covers ${number}`),
  )
  if (unknown.length > 0) throw new Error(`no such number in suites/requirements.ts: ${unknown.join(', ')}`)
  return [
    '<!-- Made by `npm run generate`. -->',
    '# The checks',
    introduction(rows),
    ...[...new Set(rows.map(topicOf))].map((topic) =>
      topicSection(
        topic,
        rows.filter((row) => topicOf(row) === topic),
      ),
    ),
    '# What is asked for',
    'The numbers that checks name in `covers`.',
    ...Object.entries(requirements).map(([number, text]) => requirementSection(number, text, rows)),
    '# The faults',
    'Each is made on a real cluster, must turn exactly its checks red, and must leave all green when it is mended.',
    ...faults.map((fault) => faultSection(fault, rows)),
  ].join('\n\n')
}

const topicOf = ({ id }: ListRow): string => id.slice(0, id.indexOf('/'))

function introduction(rows: readonly ListRow[]): string {
  const core = rows.filter(({ level }) => level === 'core').length
  const numbers = Object.keys(requirements)
  const open = numbers.filter((number) => !rows.some(({ covers }) => covers.includes(number)))
  const unproven = rows.filter((row) => proofsOf(row, 'failed').length === 0).map(({ id }) => code(id))
  return [
    `${rows.length} checks, ${core} of them core. Each is a sentence that a network MUST hold, and is red when a fault breaks what it says.`,
    'Pods are pinned to two workers, those of `coverage` to every node. A check that needs a feature which the cluster does not declare is `unsupported`.',
    open.length === 0 ? '' : `Not covered by a check yet: ${open.map(requirementLink).join(', ')}.`,
    'No check asks for `sctp`: the kernels that this project is made on have none, so no fault was seen to turn one red.',
    unproven.length === 0 ? '' : `Not turned red by a fault yet: ${unproven.join(', ')}.`,
  ]
    .filter((line) => line !== '')
    .join('\n')
}

function topicSection(topic: string, rows: readonly ListRow[]): string {
  return [`## ${topic}`, ...rows.map(checkSection)].join('\n\n')
}

function checkSection(row: ListRow): string {
  const { id, requirement, level, covers, features } = row
  const [red, open] = [proofsOf(row, 'failed'), proofsOf(row, 'not-run')]
  const facts = [
    `- ${level}, covers ${covers.map(requirementLink).join(', ')}`,
    ...(features.length === 0 ? [] : [`- needs ${features.map(code).join(', ')}`]),
    `- turned red by ${red.length === 0 ? 'no fault yet' : red.join(', ')}`,
    ...(open.length === 0 ? [] : [`- left without a verdict by ${open.join(', ')}`]),
  ]
  return [`### ${target(anchor('check', id))}${code(id)}`, escaped(requirement), facts.join('\n')].join(
    '\n\n',
  )
}

/** Links to the faults of a check that end it so. */
function proofsOf({ faults: proofs }: ListRow, outcome: Fault['outcome']): string[] {
  return faults
    .filter((fault) => proofs.includes(fault.id) && fault.outcome === outcome)
    .map(({ id }) => link(id, anchor('fault', id)))
}

function requirementSection(number: string, text: string, rows: readonly ListRow[]): string {
  const covering = rows.filter(({ covers }) => covers.includes(number))
  const by = covering.length === 0 ? '- no check yet' : `- ${covering.map(checkLink).join(', ')}`
  return [`## ${target(anchor('asked', number))}${number}`, escaped(text), by].join('\n\n')
}

function faultSection(fault: Fault, rows: readonly ListRow[]): string {
  const red = rows.filter(({ faults: proofs }) => proofs.includes(fault.id))
  const how = fault.outcome === 'failed' ? 'turns red' : 'leaves without a verdict'
  const facts = [
    ...needsOf(fault),
    `- ${how} ${red.length === checks.length ? 'every check' : red.map(checkLink).join(', ')}`,
  ]
  const title = `## ${target(anchor('fault', fault.id))}${code(fault.id)}`
  return [title, escaped(fault.breaks), facts.join('\n')].join('\n\n')
}

function needsOf({ needs = {} }: Fault): string[] {
  const { cnis, encapsulation, feature } = needs
  return [
    ...(cnis === undefined ? [] : [`- only on ${cnis.join(' and ')}`]),
    ...(encapsulation === undefined ? [] : [`- only with ${encapsulation}`]),
    ...(feature === undefined
      ? []
      : [`- only where ${code(feature.name)} is ${feature.declared ? '' : 'not '}declared`]),
  ]
}

const link = (text: string, to: string): string => `[${code(text)}](#${to})`
const requirementLink = (number: string): string => `[${number}](#${anchor('asked', number)})`
const checkLink = ({ id }: ListRow): string => link(id, anchor('check', id))

/** Anchors of our own: those that are made from headings differ from one Markdown page to the next. */
const target = (name: string): string => `<a id="${name}"></a>`
const anchor = (kind: string, id: string): string => `${kind}-${id.toLowerCase().replaceAll('/', '-')}`
