import { broken, edited } from './edit.ts'
import type { Broken } from './edit.ts'

/** What is no YAML, or not the YAML of a definition: nothing else can be said of it. */
export const notYaml: readonly Broken[] = [
  { name: 'empty', yaml: '', expected: ['1:1: empty, expected a cluster definition'] },
  { name: 'only a comment', yaml: '# soon\n', expected: ['1:1: empty, expected a cluster definition'] },
  { name: 'only a document mark', yaml: '---\n', expected: ['1:1: empty, expected a cluster definition'] },
  { name: 'a list', yaml: '- a\n', expected: ['1:1: expected a mapping, got a list'] },
  { name: 'a word', yaml: 'flannel\n', expected: ['1:1: expected a mapping, got "flannel"'] },
  broken(
    'a tab for indentation',
    { 4: 'nodes:\n\tworkers: 2' },
    '5:1: not YAML: tab characters must not be used in indentation',
  ),
  broken('a bracket left open', { 8: 'expect: [' }, '9:1: not YAML: deficient indentation'),
  broken('a quote left open', { 2: 'name: "mine' }, '3:1: not YAML: deficient indentation'),
  broken('two colons', { 2: 'name: mine: yours' }, '2:11: not YAML: bad indentation of a mapping entry'),
  broken('a null byte', { 2: 'name: mi\0ne' }, '2:9: not YAML: null byte is not allowed in input'),
  {
    name: 'a hundred brackets',
    yaml: `name: ${'['.repeat(101)}`,
    expected: ['1:106: not YAML: nesting exceeded maxDepth (100)'],
  },
  {
    name: 'not UTF-8',
    yaml: Buffer.from(edited({ 2: 'name: m\xFCller' }), 'latin1'),
    expected: ['2:8: not UTF-8; save the file in that encoding'],
  },
  {
    name: 'UTF-16',
    yaml: Buffer.from(`\uFEFF${edited({})}`, 'utf16le'),
    expected: ['1:1: not UTF-8; save the file in that encoding'],
  },
]

/** YAML that a definition may not use; what else is wrong is said, too. */
export const notOurYaml: readonly Broken[] = [
  broken(
    'two documents',
    { 8: 'expect: []\n---\nname: yours' },
    '10:1: a second document starts here; write one document per file',
  ),
  broken('a field given twice', { 7: 'name: yours' }, '7:1: name: duplicate key, the first is in line 2'),
  broken(
    'a nested field given twice, and wrong the first time',
    { 4: 'nodes:\n  workers: 0\n  workers: 2' },
    '5:12: nodes.workers: at least 2 workers: the checks between nodes need a pod on each of two workers, got the number 0',
    '6:3: nodes.workers: duplicate key, the first is in line 5',
  ),
  broken(
    'an anchor and its alias',
    { 2: 'name: &n mine', 7: 'features: [*n]' },
    '2:7: name: anchors are not supported; write the value where it is used',
    '7:12: features[0]: aliases are not supported; write the value out',
  ),
  broken(
    'a merge key',
    { 4: 'nodes: { <<: { workers: 3 } }' },
    '4:10: nodes.<<: merge keys are not supported; write the fields out',
  ),
  broken('__proto__', { 7: '__proto__: { features: [sctp] }' }, '7:1: __proto__: this key is not allowed'),
  broken(
    'constructor and prototype, nested',
    { 4: 'nodes: { constructor: { prototype: {} }, workers: 2 }' },
    '4:10: nodes.constructor: this key is not allowed',
    '4:25: nodes.constructor.prototype: this key is not allowed',
  ),
  broken(
    'a tag',
    { 3: 'kubernetes: !!str v1.37.0' },
    '3:13: kubernetes: tags are not supported; put text that looks like a number in quotes',
  ),
  broken('a list as a key', { 7: '? [features]\n: []' }, '7:3: a key must be a plain word'),
]

/** `a` is nine of `b`, `b` nine of `c` ...: 9^20 values if anybody followed the aliases. */
const aliasBomb = Array.from({ length: 20 }, (_, level) =>
  level === 0
    ? 'k0: &a0 [x]'
    : `k${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join(', ')}]`,
).join('\n')

/** Refused at once, with too many problems to list here. */
export const bombs: Readonly<Record<string, string>> = {
  'an alias bomb': aliasBomb,
  'three thousand unknown fields': Array.from({ length: 3_000 }, (_, index) => `k${index}: 1`).join('\n'),
  'one field six thousand times': 'a: 1\n'.repeat(6_000),
  'two thousand deviations': `expect:\n${'- {chekc: a}\n'.repeat(2_000)}`,
  'fifteen thousand features': `features: [${'x,'.repeat(15_000)}]`,
  'a name of 30,000 letters': `name: ${'a'.repeat(30_000)}`,
  'a field of 30,000 letters': `${'a'.repeat(30_000)}: 1`,
  'a range of 30,000 colons': `network: { podSubnet: "${':'.repeat(30_000)}" }`,
  'six thousand documents': '---\n'.repeat(6_000),
}
