import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Check } from '../../helpers/check.ts'
import { isPlain } from '../../helpers/check.ts'
import { UsageError } from '../../helpers/errors.ts'
import { makePlan } from '../../helpers/plan/plan.ts'
import { objectName } from '../../helpers/steps/policy-objects.ts'
import { bindSteps } from '../../helpers/steps/step-plan.ts'
import { healthyWorld } from '../../helpers/world.testdata.ts'
import { loadOwnChecks, parseOwnChecks } from './own-checks.ts'
import { editedChecks, everyKind } from './own-checks.testdata.ts'

const world = healthyWorld()
const parse = (yaml: string): readonly Check[] => parseOwnChecks('mine.yaml', Buffer.from(yaml)).checks

/** What a refusal says; nothing when there is none. */
function problemsOf(yaml: string): readonly string[] {
  try {
    parse(yaml)
    return []
  } catch (error) {
    if (error instanceof UsageError) return error.problems
    throw error
  }
}

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'own-checks-'))
})
afterAll(() => rm(folder, { recursive: true }))

test('reads checks of every kind, marks them and can plan them', () => {
  const checks = parse(everyKind)
  expect(checks.map(({ id, own, level, covers }) => [id, own, level, covers])).toEqual([
    ['mine/paths', true, 'extended', []],
    ['mine/entry', true, 'extended', []],
    ['mine/looks', true, 'extended', []],
    ['mine/policy', true, 'extended', []],
  ])
  const plan = makePlan(checks.filter(isPlain), world)
  expect(plan.probes.every(({ questions }) => questions.length > 0)).toBe(true)
  for (const check of checks.filter((each) => !isPlain(each)))
    expect(bindSteps(check, world).policies.size).toBe(1)
})

/** Lines that are replaced, and every problem that comes of it. */
const refused: readonly (readonly [name: string, lines: Record<number, string>, ...problems: string[]])[] = [
  ['another kind', { 2: 'kind: Check' }, '2:7: kind: expected Checks, got "Check"; did you mean "Checks"?'],
  [
    'an id that the catalogue has',
    { 4: '  - id: dns/resolv-conf' },
    '4:9: checks[0].id: cni-conformance itself has a check of this id',
  ],
  [
    'an id that leaves its folder',
    { 4: '  - id: mine/../../etc' },
    '4:9: checks[0].id: expected subject/path/protocol in lower-case letters, digits and dashes, got "mine/../../etc"',
  ],
  [
    'a rung, which only the product has',
    { 5: '    rung: dns' },
    '5:5: checks[0].rung: unknown field; known are id, level, requirement, features, pods, targets, probes, policies, services, steps, covers',
  ],
  [
    'a sentence without a MUST',
    { 6: '    requirement: It should work.' },
    '6:18: checks[0].requirement: expected a sentence with a MUST, got "It should work."',
  ],
  [
    'a pod that is not declared, and a target that is not',
    { 10: '      - { from: clinet, target: apo }' },
    '10:17: checks[0].probes[0].from: unknown pods clinet; did you mean "client"?',
    '10:33: checks[0].probes[0].target: unknown target apo; did you mean "api"?',
  ],
  [
    'more pods than there are',
    { 7: '    pods: { client: { node: worker1, namespace: other }, other: { node: worker2 } }' },
    '7:21: checks[0].pods.client: no fixture pod is left for it: there are 0 on worker1 in the namespace "other"',
  ],
  [
    'silence without a control',
    { 11: '      - { from: client, target: api, expect: timed-out }' },
    '11:46: checks[0].probes[1].expect: silence proves nothing by itself: add a probe from another pod to api that expects reached',
  ],
  [
    'to expect to learn nothing',
    { 10: '      - { from: client, to: other, via: pod-ip, protocol: tcp, expect: unknown }' },
    '10:72: checks[0].probes[0].expect: expected one of reached, timed-out, refused, unreachable, no-such-name, wrong-peer, wrong-answer, got "unknown"',
  ],
  [
    'loopback to another pod',
    { 10: '      - { from: client, to: other, via: loopback, protocol: http }' },
    '10:29: checks[0].probes[0].to: loopback leads to no other pod; from and to must be the same',
  ],
  [
    'a client outside that asks a pod',
    {
      9: '    features: [outside]',
      10: '    probes: [{ from: outside, to: other, via: pod-ip, protocol: tcp }]',
      11: '',
    },
    '10:47: checks[0].probes[0].via: outside asks via node-port or via host-port',
  ],
  [
    'host ports in a core check that names no feature',
    {
      7: '    pods: { client: { node: worker1, hostPort: true }, other: { node: worker2 } }',
      9: '    features: [host-network]',
      10: '    probes: [{ from: client, target: api }]',
      11: '',
    },
    '5:12: checks[0].level: a check that needs host-port is extended',
    '9:15: checks[0].features: a pod with ports of its node needs host-port',
  ],
  [
    'neither probes nor steps',
    { 9: '    features: []', 10: '', 11: '' },
    '4:5: checks[0].probes: a check has probes, or steps that have flows',
  ],
  [
    'a number that nothing has',
    { 5: '    covers: [S1, Z9]' },
    '5:18: checks[0].covers[1]: unknown number; known are K1, K2, K3, K4, P1, P2, P3, P4, P5, S1, S2, S3, S4, D1, D2, D3, D4, N1, N2, E, C',
  ],
]

test.each(refused.map(([name, lines, ...problems]) => ({ name, lines, problems })))(
  'refuses $name',
  ({ lines, problems }) => {
    expect(problemsOf(editedChecks(lines))).toEqual(problems.map((line) => `mine.yaml:${line}`))
  },
)

test.each([
  ['127.0.0.1', false],
  ['"127.1"', false],
  ['0x7f000001', false],
  ['localhost', false],
  ['0.0.0.0', false],
  ['"::1"', false],
  ['"::ffff:127.0.0.1"', false],
  ['224.0.0.1', false],
  ['255.255.255.255', false],
  ['"$(reboot)"', false],
  ['-c', false],
  ['a..b', false],
  ['"a b"', false],
  ['https://example.com', false],
  ['example.com:80', false],
  ['10.0.0.1', true],
  ['169.254.169.254', true],
  ['"fd00::1"', true],
  ['db', true],
  ['db.prod.svc.cluster.local.', true],
  ['_ldap.example.com', true],
])('the host %s: %s', (host, accepted) => {
  const yaml = editedChecks({ 8: `    targets: { api: { host: ${host}, port: 443, protocol: tcp } }` })
  expect(problemsOf(yaml).length === 0).toBe(accepted)
})

test('a broken check hides no problem of another, nor of its other parts', () => {
  const yaml = editedChecks({ 5: '    level: kore', 10: '      - { from: clinet, target: api }' })
  expect(
    problemsOf(`${yaml}  - id: mine/api\n    requirement: MUST\n    pods: {}\n    probes: []\n`),
  ).toEqual([
    'mine.yaml:5:12: checks[0].level: expected one of core, extended, got "kore"; did you mean "core"?',
    'mine.yaml:10:17: checks[0].probes[0].from: unknown pods clinet; did you mean "client"?',
    'mine.yaml:12:9: checks[1].id: checks[0] has the same id',
    'mine.yaml:15:13: checks[1].probes: a check has probes, or steps that have flows',
  ])
})

test('reports several files together, and ids that two of them have', async () => {
  const [first, second, large] = ['first.yaml', 'second.yaml', 'large.yaml'].map((name) =>
    join(folder, name),
  ) as [string, string, string]
  await Promise.all([
    writeFile(first, editedChecks({})),
    writeFile(second, editedChecks({})),
    writeFile(large, '#'.repeat(70_000)),
  ])
  await expect(loadOwnChecks([first, second, first, large, './none.yaml'])).rejects.toMatchObject({
    problems: [
      `${large}: has 70000 bytes, a file of checks has at most 65536`,
      './none.yaml: no such file',
      `${second}:4:9: checks[0].id: ${first} has a check of the same id`,
      `${first}: given twice`,
    ],
  })
})

test('objects of own checks have names that Kubernetes takes, and no two the same', () => {
  const ids = [
    'mine/a',
    'yours/a',
    'mine/a-b',
    `mine/${'x'.repeat(90)}`,
    `mine/${'x'.repeat(91)}`,
    'mine/1',
    'mine/-',
  ]
  const names = ids.flatMap((id) =>
    ['b', 'b-c', 'c'].map((name) => objectName({ ...(parse(everyKind)[0] as Check), id }, name)),
  )
  expect(new Set(names).size).toBe(names.length)
  for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9-]{0,61}[a-z0-9]$/)
})
