import * as fc from 'fast-check'
import { parseDefinition } from '../../clusters/definition.ts'
import { bombs } from '../../clusters/testdata/broken-yaml.ts'
import { validLines as clusterLines } from '../../clusters/testdata/edit.ts'
import { UsageError } from '../../helpers/errors.ts'
import { parseOwnChecks } from '../../suites/own/own-checks.ts'
import { everyKind, validLines as checkLines } from '../../suites/own/own-checks.testdata.ts'

/** What a user, an editor or somebody with bad intentions may put into a file of ours. */

const context = {
  versions: { kubernetes: ['v1.37.0'], cni: { flannel: ['v0.28.9'] } },
  today: '2026-11-21',
}

/** A kind of file that users write. */
export interface Subject {
  name: string
  /** Files with nothing wrong. */
  valid: readonly string[]
  /** @throws {UsageError} with everything that is wrong */
  parse: (bytes: Buffer) => unknown
}

export const subjects: readonly Subject[] = [
  {
    name: 'cluster definition',
    valid: [clusterLines.join('\n')],
    parse: (bytes) => parseDefinition('mine.yaml', bytes, context),
  },
  {
    name: 'file of checks',
    valid: [checkLines.join('\n'), everyKind],
    parse: (bytes) => parseOwnChecks('mine.yaml', bytes),
  },
]

/** What came of one text. */
export interface Judged {
  /** The lines of the refusal; none where it was accepted. */
  problems: readonly string[]
  /** Time on the processor in milliseconds: other work on the machine does not count. */
  ms: number
}

/** Judges a text; anything but a refusal in our own words is thrown on. */
export function judge({ parse }: Subject, text: string | Uint8Array): Judged {
  const before = process.cpuUsage()
  let problems: readonly string[] = []
  try {
    parse(Buffer.from(text as string))
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    problems = error.problems
  }
  const { user, system } = process.cpuUsage(before)
  return { problems, ms: (user + system) / 1_000 }
}

/** One line for each error, with its place, and nothing in it that moves a cursor. */
export const refusalLine = /^mine\.yaml(:\d+:\d+: [^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+|: and \d+ more)$/u

/** Pieces that YAML gives a meaning, or that a program may stumble over. */
const pieces = [
  ['\n', '\r', '\t', '  ', ': ', '- ', '? ', '{', '}', '[', ']', '"', "'", '|\n', '>-\n', '#', '%', '---\n'],
  ['...\n', '&a ', '*a', '!!int ', '!!js/function ', '<<: ', '__proto__: ', 'constructor: ', 'null', '~'],
  ['0x1F', '.inf', '-.nan', '1e99', '-1', '0', '1_000', '0o17', '2026-01-01', '\0', '\u2028', '\u202e'],
  ['ipv6', 'dual', 'fd00::/8', '/33', 'calico', ',', '\uFEFF', '\\', '\ud800', '{{', '${HOME}', '$(id)'],
  ['expect: unknown', 'target: a', 'steps: []', 'probes: {}', 'pods: []', 'MUST', 'own: true', 'rung: dns'],
].flat()

/** Text that is nearly a valid file: pieces of it cut, doubled and put in. */
const mutated = (valid: string): fc.Arbitrary<string> =>
  fc
    .array(
      fc.record({
        at: fc.nat({ max: valid.length }),
        cut: fc.nat({ max: 30 }),
        insert: fc.oneof(
          { weight: 3, arbitrary: fc.constantFrom(...pieces) },
          { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
          {
            weight: 1,
            arbitrary: fc
              .tuple(fc.nat({ max: valid.length }), fc.nat({ max: 60 }))
              .map(([from, length]) => valid.slice(from, from + length)),
          },
        ),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((edits) =>
      edits.reduce((text, { at, cut, insert }) => text.slice(0, at) + insert + text.slice(at + cut), valid),
    )

/** Any text or bytes, most of them nearly a file of the subject. */
export const anyInput = ({ valid }: Subject): fc.Arbitrary<string | Uint8Array> =>
  fc.oneof(
    ...valid.map((text) => ({ weight: 6, arbitrary: mutated(text) })),
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 400 }) },
    { weight: 1, arbitrary: fc.json({ maxDepth: 8 }) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 400 }) },
  )

/** A sentence may have brackets and quotes in it. */
const freeText = /requirement:/
/** A question may be asked twice. */
const entry = /^ +- \{/

/** Every text that must be refused, by what is done to it. */
export function malformed({ valid: [valid = ''] }: Subject): [name: string, text: string | Uint8Array][] {
  const lines = valid.split('\n')
  const eachLine = (name: string, edit: (line: string) => string, spare = /^$/): [string, string][] =>
    lines.flatMap((line, at) =>
      spare.test(line) ? [] : [[`${name}, line ${at + 1}`, lines.with(at, edit(line)).join('\n')]],
    )
  const indent = (line: string): string => /^[ -]*/.exec(line)?.[0].replace('-', ' ') ?? ''
  const append = (text: string): string => `${valid}\n${text}`
  return [
    ...eachLine('cut in its key', (line) => line.slice(0, indent(line).length + 2)),
    ...eachLine('a tab before it', (line) => `\t${line}`),
    ...eachLine('a null byte in it', (line) => `${line}\0`),
    ...eachLine('an unknown field before it', (line) => `${indent(line)}fnord: 1\n${line}`),
    ...eachLine('a prototype before it', (line) => `${indent(line)}__proto__: { a: 1 }\n${line}`),
    ...eachLine('a bracket left open', (line) => `${line} [`, freeText),
    ...eachLine('a quote left open', (line) => `${line} "`, freeText),
    ...eachLine('an anchor', (line) => line.replace(/: ?/, ': &a ')),
    ...eachLine('a tag', (line) => line.replace(/: ?/, ': !!python/object ')),
    ...eachLine('twice', (line) => `${line}\n${line}`, entry),
    ...Object.entries(bombs),
    ['brackets', append(`x: ${'['.repeat(20_000)}`)],
    ['mappings', append(`x: ${'{a: '.repeat(7_000)}`)],
    ['indentation', append(Array.from({ length: 150 }, (_, at) => `${' '.repeat(at)}a:`).join('\n'))],
    ['lists of lists', append(`x:\n  ${'- '.repeat(10_000)}a`)],
    ['a huge number', append(`x: ${'9'.repeat(20_000)}`)],
    ['a huge exponent', append('x: 1e999999999')],
    ['a long key', append(`${'k'.repeat(25_000)}: 1`)],
    ['a long text', append(`x: "${'t'.repeat(25_000)}"`)],
    ['escapes', append(`x: "${String.raw`\u202e`.repeat(4_000)}"`)],
    ['many keys', append(Array.from({ length: 3_000 }, (_, at) => `k${at}: 1`).join('\n'))],
    ['many anchors', append(Array.from({ length: 1_500 }, (_, at) => `k${at}: &a${at} x`).join('\n'))],
    ['a folded text', append(`x: >\n${'  a\n'.repeat(6_000)}`)],
    ['comments only', '# a\n'.repeat(8_000)],
    ['a byte order mark in the middle', append('\uFEFFx: 1')],
    ['bare carriage returns', valid.replaceAll('\n', '\r').replace(/^/, 'x: 1\r')],
    ['UTF-16', Buffer.from(`\uFEFF${valid}`, 'utf16le')],
    ['not UTF-8', Buffer.concat([Buffer.from(valid), Buffer.of(0xff, 0xfe, 0x0a)])],
    ['a directive', `%YAML 9.9\n---\n${valid}`],
    ['two documents', `${valid}\n---\n${valid}`],
    ['an ELF file', Buffer.from('7f454c4602010100000000000000000003003e00', 'hex')],
  ]
}

/** Whatever comes from elsewhere and lands in a name: none is one. */
const hostileValues: readonly string[] = [
  ['', ' ', '\n', '\t', '\0', '.', '..', '/', '../../etc/passwd', '~/.ssh', 'a/../b', 'a b', ' a', 'a '],
  [
    '$(reboot)',
    '`id`',
    '; rm -rf /',
    '| cat',
    '&& id',
    '> /dev/sda',
    '--help',
    '-rf',
    '$HOME',
    '%s%s%n',
    '*',
  ],
  [
    '"; DROP TABLE',
    "' OR 1=1",
    '<script>alert(1)</script>',
    '{{ 7*7 }}',
    '${7*7}',
    '#{7*7}',
    '\\',
    '\\x1b[2J',
  ],
  [
    '\u001b[2J',
    '\u202etxt',
    '\u200bzero',
    '\u2028line',
    'M\u00fcller',
    '\u0430pple',
    '\ud83d\ude80',
    '\ud800',
    '\uFEFFa',
  ],
  [
    'a\nb',
    'a\0b',
    'a,b',
    'a=b',
    'a"b',
    "a'b",
    'a@b',
    'user:pass@host',
    'http://a',
    'a'.repeat(300),
    'a?b',
    '__proto__',
  ],
  [
    '[object Object]',
    '!!js',
    '&a',
    '*a',
    '<<',
    '?',
    '()',
    '\u00a0',
    '\u0000\u0001\u0002',
    'CON\u0000',
    '\r\n',
    'a%00b',
  ],
].flat()

type Keys = readonly (string | number)[]

/** A field of a valid file; `key` is the name of a mapping's entry. */
interface Field {
  subject: number
  path: Keys
  what: 'value' | 'key'
}

const valuesAt = (subject: number, parent: Keys, names: readonly string[]): Field[] =>
  names.map((name) => ({ subject, path: [...parent, name], what: 'value' }))

/** Fields whose values name or choose something. */
const fields: readonly Field[] = [
  ...valuesAt(0, [], ['name', 'kubernetes', 'apiVersion']),
  ...valuesAt(0, ['cni'], ['name', 'version', 'encapsulation']),
  ...valuesAt(0, ['network'], ['ipFamily', 'podSubnet', 'serviceSubnet', 'kubeProxy']),
  ...valuesAt(1, [], ['apiVersion', 'kind']),
  ...valuesAt(1, ['checks', 0], ['id', 'level']),
  ...valuesAt(1, ['checks', 0, 'pods', 'client'], ['node']),
  ...valuesAt(1, ['checks', 0, 'targets', 'api'], ['service', 'namespace', 'protocol']),
  ...valuesAt(1, ['checks', 0, 'probes', 0], ['from', 'target']),
  { subject: 1, path: ['checks', 0, 'pods', 'client'], what: 'key' },
  { subject: 1, path: ['checks', 0, 'targets', 'api'], what: 'key' },
]

/** Valid files with one hostile value in the place of a good one: more than a thousand, and all must be refused. */
export function hostileFiles(
  read: (yaml: string) => unknown,
): { subject: Subject; what: string; text: string }[] {
  return fields.flatMap(({ subject: at, path, what }) => {
    const subject = subjects[at]
    if (subject === undefined) return []
    return hostileValues.map((hostile) => {
      const file = read(subject.valid[0] ?? '') as Record<string | number, unknown>
      const parent = path.slice(0, -1).reduce((value, key) => value[key] as typeof file, file)
      const last = path.at(-1) ?? ''
      const entries = Object.entries(parent).map(([key, value]) =>
        key === last ? (what === 'key' ? [hostile, value] : [key, hostile]) : [key, value],
      )
      const edited = JSON.stringify(Object.fromEntries(entries))
      const text = JSON.stringify(file).replace(JSON.stringify(parent), () => edited)
      return { subject, what: `${path.join('.')} ${JSON.stringify(hostile)}`, text }
    })
  })
}
