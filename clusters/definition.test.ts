import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import * as fc from 'fast-check'
import { dump } from 'js-yaml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { UsageError } from '../helpers/errors.ts'
import {
  knownClusters,
  loadDefinition,
  loadDefinitions,
  parseDefinition,
  resolveDefinition,
} from './definition.ts'
import type { ClusterDefinition } from './definition.ts'
import { bombs } from './testdata/broken-yaml.ts'
import { brokenDefinitions } from './testdata/broken.ts'
import { validLines } from './testdata/edit.ts'

const context = {
  versions: { kubernetes: ['v1.37.0'], cni: { flannel: ['v0.28.9'] } },
  today: '2026-11-21',
}

const parse = (yaml: string | Buffer): ClusterDefinition =>
  parseDefinition('mine.yaml', Buffer.from(yaml as string), context).definition

/** What a refusal says; fails the test when there is none, or when it is another kind of error. */
function problemsOf(yaml: string | Buffer): readonly string[] {
  try {
    parse(yaml)
  } catch (error) {
    if (error instanceof UsageError) return error.problems
    throw error
  }
  return []
}

const valid = validLines.join('\n')
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'definition-'))
})
afterAll(() => rm(folder, { recursive: true }))

test.each(brokenDefinitions)('refuses $name', ({ yaml, expected }) => {
  expect(problemsOf(yaml)).toEqual(expected.map((line) => `mine.yaml:${line}`))
})

test('the table holds as many cases as the product promises', () => {
  expect(brokenDefinitions.length + Object.keys(bombs).length).toBeGreaterThanOrEqual(50)
})

test.each(Object.entries(bombs))('refuses %s at once', (_name, yaml) => {
  // Time on the processor: other work on the machine must not turn this red.
  const before = process.cpuUsage()
  const problems = problemsOf(yaml)
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1_000).toBeLessThan(1_000)
  expect(problems.length).toBeGreaterThan(0)
  expect(problems.length).toBeLessThanOrEqual(51)
})

test('fills in defaults', () => {
  const { nodes, network, features, expect: deviations } = parse(validLines.toSpliced(3, 2).join('\n'))
  expect(nodes).toEqual({ controlPlane: 1, workers: 2 })
  expect(network).toEqual({
    ipFamily: 'ipv4',
    podSubnet: '10.244.0.0/16',
    serviceSubnet: '10.96.0.0/16',
    kubeProxy: 'iptables',
  })
  expect([features, deviations]).toEqual([[], []])
})

test.each([
  ['a byte order mark', `\uFEFF${valid}`],
  ['Windows line ends', valid.replaceAll('\n', '\r\n')],
  ['JSON', JSON.stringify(parse(valid))],
])('reads %s', (_name, yaml) => {
  expect(parse(yaml)).toEqual(parse(valid))
})

test('a byte order mark and Windows line ends move no problem', () => {
  const yaml = `\uFEFF${valid.replace('name: mine', 'name: Mine').replaceAll('\n', '\r\n')}`
  expect(problemsOf(yaml)[0]).toMatch(/^mine\.yaml:2:7: name: /)
})

test('a deviation is accepted on its last day', () => {
  const deviation = {
    check: 'dns/**',
    verdict: 'timed-out',
    reason: 'until the fix is out',
    issue: 'https://example.com/1',
    until: '2026-11-21',
  }
  expect(parse(dump({ ...parse(valid), expect: [deviation] })).expect).toEqual([deviation])
})

test('problem() places what others find', () => {
  const { problem } = parseDefinition('mine.yaml', Buffer.from(valid), context)
  expect(problem(['cni', 'version'], 'is old')).toBe('mine.yaml:6:32: cni.version: is old')
})

test('names what is no file to read', async () => {
  const large = join(folder, 'large.yaml')
  const directory = join(folder, 'folder.yaml')
  await Promise.all([writeFile(large, '#'.repeat(70_000)), mkdir(directory)])
  const files = [large, directory, join(folder, 'none.yaml'), '/dev/zero']
  const refusals = files.map((file) => loadDefinition(file).then(String, String))
  expect((await Promise.all(refusals)).map((text) => text.replaceAll(folder, ''))).toEqual([
    'UsageError: /large.yaml: has 70000 bytes, a cluster definition has at most 32768',
    'UsageError: /folder.yaml: is a directory, expected a YAML file',
    'UsageError: /none.yaml: no such file',
    'UsageError: /dev/zero: is no regular file',
  ])
})

test('reports several files together, and clusters of one name', async () => {
  const [first, second] = [join(folder, 'first.yaml'), join(folder, 'second.yaml')]
  const flannel = await readFile(await resolveDefinition('flannel'), 'utf8')
  await Promise.all([writeFile(first, flannel), writeFile(second, flannel)])
  const refusal = loadDefinitions([first, second, first, 'flanel', join(folder, 'none.yaml')])
  await expect(refusal).rejects.toMatchObject({
    problems: [
      'unknown cluster "flanel"; did you mean "flannel"? A file needs its path, such as ./mine.yaml',
      `${join(folder, 'none.yaml')}: no such file`,
      `${second}:3:7: name: ${first} has the same name`,
      `${first}: given twice`,
    ],
  })
})

test('every cluster of the product is valid and named like its file', async () => {
  const names = await knownClusters()
  const loaded = await loadDefinitions(names)
  expect(loaded.map(({ definition }) => definition.name)).toEqual(names)
  expect(loaded.map(({ file }) => basename(file))).toEqual(names.map((name) => `${name}.yaml`))
})

const range = (first: number) =>
  fc.tuple(fc.nat({ max: 255 }), fc.integer({ min: 16, max: 20 })).map(([second, prefix]) => {
    return `${first}.${second}.0.0/${prefix}`
  })

const definitions: fc.Arbitrary<ClusterDefinition> = fc.record({
  apiVersion: fc.constant('cni-conformance/v1' as const),
  name: fc.stringMatching(/^[a-z]([a-z0-9-]{0,28}[a-z0-9])?$/),
  kubernetes: fc.constant('v1.37.0'),
  nodes: fc.record({ controlPlane: fc.constant(1), workers: fc.integer({ min: 2, max: 15 }) }),
  network: fc.record({
    ipFamily: fc.constant('ipv4' as const),
    podSubnet: range(10),
    serviceSubnet: range(172),
    kubeProxy: fc.constantFrom('iptables', 'nftables', 'ipvs'),
  }),
  cni: fc.record({
    name: fc.constant('flannel'),
    version: fc.constant('v0.28.9'),
    encapsulation: fc.constantFrom('vxlan', 'host-gw'),
  }),
  features: fc.uniqueArray(fc.constantFrom('network-policy', 'host-port', 'sctp', 'icmp')),
  expect: fc.uniqueArray(
    fc.record({
      check: fc.stringMatching(/^[a-z][a-z0-9*-]{0,20}\/[a-z*]{1,9}$/),
      verdict: fc.constantFrom('reached', 'timed-out', 'refused', 'wrong-peer'),
      reason: fc.string({ minLength: 10, maxLength: 80 }).filter((text) => text === text.trim()),
      issue: fc.webUrl({ validSchemes: ['https'] }),
      until: fc
        .date({ min: new Date('2026-11-21'), max: new Date('2099-01-01'), noInvalidDate: true })
        .map((date) => date.toISOString().slice(0, 10)),
    }),
    { maxLength: 4, selector: ({ check }) => check },
  ),
})

test('a definition that is written out reads back as it was', () => {
  fc.assert(
    fc.property(definitions, fc.constantFrom(-1, 0, 1, 2), (definition, flowLevel) => {
      expect(parse(dump(definition, { flowLevel }))).toEqual(definition)
    }),
    { numRuns: 500 },
  )
})

test('of a cluster that stands already a definition says what it knows, and need not be one that we could make', () => {
  const standing = { ...context, versions: undefined }
  const yaml = [
    'apiVersion: cni-conformance/v1',
    'name: staging',
    'kubernetes: v1.33.5-eks-3025e55',
    'network: { podSubnet: 10.0.0.0/8 }',
    'cni: { name: aws-vpc-cni }',
    'features: [network-policy]',
  ].join('\n')
  const { definition, isWritten } = parseDefinition('mine.yaml', Buffer.from(yaml), standing)
  expect(definition).toMatchObject({
    kubernetes: 'v1.33.5-eks-3025e55',
    cni: { name: 'aws-vpc-cni', version: 'unknown', encapsulation: 'unknown' },
    features: ['network-policy'],
  })
  expect([isWritten(['network', 'podSubnet']), isWritten(['network', 'kubeProxy'])]).toEqual([true, false])
  const least = 'apiVersion: cni-conformance/v1\nname: staging\nnetwork:\n'
  expect(() => parseDefinition('mine.yaml', Buffer.from(least), standing)).toThrow(
    /network: expected a mapping/,
  )
  const wrong = `${yaml}\nexpect: [{ check: a }]\nnote: hello`
  expect(() => parseDefinition('mine.yaml', Buffer.from(wrong), standing)).toThrow(
    /expect\[0\].verdict[^]*note: unknown field/,
  )
  expect(problemsOf(yaml).length).toBeGreaterThan(2)
})
