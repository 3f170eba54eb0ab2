import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { knownClusters } from '../clusters/definition.ts'
import { checks } from '../suites/catalogue.ts'
import { brokenDefinitions } from '../clusters/testdata/broken.ts'
import { validLines } from '../clusters/testdata/edit.ts'
import { editedChecks } from '../suites/own/own-checks.testdata.ts'
import { parseDuration } from './duration.ts'
import { listRows } from './list.ts'

const door = fileURLToPath(new URL('cni-conformance.mjs', import.meta.url))

interface Ended {
  exitCode: number
  stdout: string
  /** Lines of standard error. */
  stderr: string[]
}

async function cli(...argv: string[]): Promise<Ended> {
  const child = spawn(process.execPath, [door, ...argv], {
    cwd: folder,
    // Without the clusters that somebody keeps on this machine.
    env: { ...process.env, XDG_STATE_HOME: folder },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number]>,
  ])
  return { exitCode, stdout, stderr: stderr.split('\n').filter((line) => line !== '') }
}

const topics = [...new Set(checks.map(({ id }) => id.replace(/\/.*$/, '/**')))]
const clusters = (await knownClusters()).join(', ')
const flannel = fileURLToPath(new URL('../clusters/flannel.yaml', import.meta.url))

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cli-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Command lines that are refused, and every line of the refusal. */
const refused: readonly (readonly [argv: readonly string[], ...lines: string[]])[] = [
  [['tset'], "unknown command 'tset'; did you mean test?"],
  [
    ['test', '--chekc', 'dns/**', '--profil=core', 'flanel'],
    'unknown option "--chekc"; did you mean "--check"?',
    'unknown option "--profil=core"; did you mean "--profile"?',
  ],
  [
    ['test', 'flanel', './none.yaml', '--profile', 'all', '--keep=never', '--timeout', '10', '-o', 'yaml'],
    '--output: expected text or json, got "yaml"',
    'unknown cluster "flanel"; did you mean "flannel"? A file needs its path, such as ./mine.yaml',
    './none.yaml: no such file',
    '--profile: expected smoke or core or extended, got "all"',
    '--timeout: expected a duration such as 10m, 90s or 1h30m, got "10"',
    '--keep: expected always or on-failure, got "never"',
  ],
  [
    ['test', '--check', 'dns/resolv-cnf'],
    '--check: nothing matches "dns/resolv-cnf"; did you mean "dns/resolv-conf"?',
  ],
  [['test', '--check', ''], '--check: expected the id of a check or a glob over ids, got ""'],
  [['test', '--check', '[[:'], `--check: nothing matches "[[:"; known are ${topics.join(', ')}`],
  [['test', '--check'], "option '--check <glob>' argument missing"],
  [['test', '--report-dir', 'file'], '--report-dir: "file" is a file, expected a folder'],
  [['test', 'flannel', 'flannel'], `${flannel}: given twice`],
  [
    ['test', '--context', 'a', '--dry-run', '--namespace=b'],
    '--context: goes with --kubeconfig',
    '--namespace: goes with --kubeconfig',
    '--dry-run: goes with --kubeconfig',
  ],
  [
    ['test', '--kubeconfig=./none', '--hold', '--images=source', '--namespace=default', './none.yaml', 'b']
      // What is wrong with each value, too.
      .concat('--node-selector=zone', '--fixture-image=nod=a', '--timeout=1'),
    '--images: is about clusters that are made; this one stands already',
    '--hold: is about clusters that are made; this one stands already',
    'unexpected argument "b"; --kubeconfig is one cluster, with one definition',
    './none.yaml: no such file',
    `unknown cluster "b"; known are ${clusters} A file needs its path, such as ./mine.yaml`,
    '--timeout: expected a duration such as 10m, 90s or 1h30m, got "1"',
    '--context: must be given in CI and where there is no terminal: nobody would see which cluster the current context chooses',
    "--kubeconfig: ./none cannot be read: ENOENT: no such file or directory, open './none'",
    '--node-selector: expected key=value[,key=value], got "zone"',
    '--fixture-image: unknown image "nod"; did you mean "node"?',
    '--namespace: default is not for checks; give one that nobody else uses',
  ],
  [
    ['test', 'flannel', 'b', '--on=cnic-flannel-0000', '--images=source'],
    '--images: is about clusters that are made; --on names one that was',
    'unexpected argument "b"; --on is one cluster',
    '--on: "cnic-flannel-0000" is no cluster that was kept; there is none',
    `unknown cluster "b"; known are ${clusters} A file needs its path, such as ./mine.yaml`,
  ],
  [
    ['clean', '--kubeconfig=./none', '--context=a', '--all'],
    '--all: is about clusters that are made; what has not expired stays',
    "--kubeconfig: ./none cannot be read: ENOENT: no such file or directory, open './none'",
  ],
  [
    ['rbac', '--namespace=Net'],
    '--namespace: expected a name of at most 57 lower-case letters, digits and dashes, got "Net"',
  ],
  [['list', 'all'], 'unexpected argument "all"'],
  [['report'], "missing required argument 'run'"],
  [
    ['report', 'run.json', '--format', 'xml'],
    '--format: expected text or json or junit or markdown or html, got "xml"',
  ],
  [
    ['matrix', 'flanel', './none.yaml', '--jobs', '0', '--profile=all', '--keep'],
    'unknown option "--keep=always"; known are --jobs, --check, --profile, --checks, --nodes, --random-seed, --report-dir, --timeout, --images, --registry-mirror, --version, --no-install, --quiet, --output',
    '--jobs: expected a number from 1 to 99, got "0"',
    'unknown cluster "flanel"; did you mean "flannel"? A file needs its path, such as ./mine.yaml',
    './none.yaml: no such file',
    '--profile: expected smoke or core or extended, got "all"',
  ],
  [['matrix', 'flannel', 'flannel'], `${flannel}: given twice`],
  [
    ['matrix', 'flannel', ''],
    `unknown cluster ""; known are ${clusters} A file needs its path, such as ./mine.yaml`,
  ],
  [['report', 'a', 'b'], 'unexpected argument "b"; `report merge` takes several'],
  [
    ['report', 'merge', '--report-dir', 'file'],
    'report merge: which runs? Give each run.json or its folder',
    '--report-dir: "file" is a file, expected a folder',
  ],
  [['gate', 'old'], "missing required argument 'after'"],
  [
    ['gate', 'old', 'new', 'newer', '--max-slowdown', '0.5', '--format', 'junit'],
    'unexpected argument "newer"',
    '--format: expected text or json or markdown, got "junit"',
    '--max-slowdown: expected how many times longer, 1 or more, such as 2, got "0.5"',
    "old: ENOENT: no such file or directory, stat 'old'",
    "new: ENOENT: no such file or directory, stat 'new'",
  ],
  [
    ['test', 'flanel', '--checks', './broken-checks.yaml', '--checks', './none.yaml', '--check', 'mine/b'],
    'unknown cluster "flanel"; did you mean "flannel"? A file needs its path, such as ./mine.yaml',
    './broken-checks.yaml:10:17: checks[0].probes[0].from: unknown pods clinet; did you mean "client"?',
    './none.yaml: no such file',
    `--check: nothing matches "mine/b"; known are ${topics.join(', ')}`,
  ],
  [
    ['test', '--checks', './my-checks.yaml', '--check', 'mine/apo'],
    '--check: nothing matches "mine/apo"; did you mean "mine/api"?',
  ],
  [['list', '--checks', './none.yaml', 'all'], 'unexpected argument "all"', './none.yaml: no such file'],
  [
    ['validate', './none.yaml', '--checks', './broken-checks.yaml'],
    './broken-checks.yaml:10:17: checks[0].probes[0].from: unknown pods clinet; did you mean "client"?',
    './none.yaml: no such file',
  ],
  [['images', 'sve', './archive'], 'images: expected save, got "sve"'],
  [['validate', './none.yaml', './none.yml'], './none.yaml: no such file', './none.yml: no such file'],
]

test.each(refused.map(([argv, ...lines]) => ({ argv, lines })))('refuses $argv', async ({ argv, lines }) => {
  await writeFile(join(folder, 'file'), '')
  await writeFile(join(folder, 'my-checks.yaml'), editedChecks({}))
  await writeFile(
    join(folder, 'broken-checks.yaml'),
    editedChecks({ 10: '      - { from: clinet, target: api }' }),
  )
  const { exitCode, stdout, stderr } = await cli(...argv)
  expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 2, stdout: '', stderr: lines })
})

test('refuses a broken definition for every command that takes one, and says what else is wrong', async () => {
  const { yaml, expected } = brokenDefinitions.at(-1) ?? { yaml: '', expected: [] }
  await writeFile(join(folder, 'mine.yaml'), yaml)
  const lines = expected.map((line) => `./mine.yaml:${line}`)
  const refusals = [
    await cli('validate', './mine.yaml', './none.yaml'),
    await cli('test', './mine.yaml', '--timeout', '1'),
    await cli('images', 'save', './file', './mine.yaml'),
  ]
  expect(refusals.map(({ exitCode }) => exitCode)).toEqual([2, 2, 2])
  expect(refusals.map(({ stderr }) => stderr)).toEqual([
    [...lines, './none.yaml: no such file'],
    [...lines, '--timeout: expected a duration such as 10m, 90s or 1h30m, got "1"'],
    ['images save: "./file" is a file, expected a folder', ...lines],
  ])
})

test("a user's own checks stand beside the product's: judged, listed and marked", async () => {
  await writeFile(join(folder, 'my-checks.yaml'), editedChecks({}))
  const [valid, json, table, rows] = await Promise.all([
    cli('validate', '--checks', './my-checks.yaml'),
    cli('validate', '--checks', './my-checks.yaml', 'flannel', '-o', 'json'),
    cli('list', '--checks', './my-checks.yaml'),
    cli('list', '--checks', './my-checks.yaml', '-o', 'json'),
  ])
  expect(valid).toMatchObject({ exitCode: 0, stdout: './my-checks.yaml: valid: 1 check: mine/api\n' })
  expect(JSON.parse(json.stdout)).toMatchObject([
    { file: flannel },
    { file: './my-checks.yaml', checks: ['mine/api'] },
  ])
  expect(table.stdout).toMatch(/^mine\/api +core +- +- +own$/m)
  const own = (JSON.parse(rows.stdout) as { id: string }[]).slice(checks.length)
  expect(own).toEqual([
    {
      id: 'mine/api',
      level: 'core',
      covers: [],
      requirement: 'Pods MUST reach the API server by its Service.',
      features: [],
      faults: [],
      own: true,
    },
  ])
})

test('validate judges a deviation by the checks that there are', async () => {
  const deviation = { verdict: 'timed-out', reason: 'until the fix is out', issue: 'https://example.com/1' }
  const entry = { ...deviation, check: 'dns/resolv-cnf', until: '2999-01-01' }
  const yaml = [...validLines.slice(0, -1), `expect: [${JSON.stringify(entry)}]`].join('\n')
  await writeFile(join(folder, 'deviating.yaml'), yaml)
  const { exitCode, stderr } = await cli('validate', './deviating.yaml')
  expect(stderr).toEqual([
    expect.stringMatching(
      /^\.\/deviating\.yaml:8:\d+: expect\[0\]\.check: matches no check; did you mean "dns\/resolv-conf"\?$/,
    ),
  ])
  expect(exitCode).toBe(2)
})

test('validate says what is valid, for a person and for a program', async () => {
  const [text, json] = [await cli('validate', 'flannel'), await cli('validate', '-o', 'json', 'flannel')]
  expect(text.stdout).toContain(
    'flannel.yaml: valid: flannel, Kubernetes v1.37.0, flannel v0.28.9 (vxlan), 3 nodes',
  )
  expect(JSON.parse(json.stdout)).toMatchObject([{ file: flannel, definition: { name: 'flannel' } }])
  expect([text.exitCode, json.exitCode]).toEqual([0, 0])
})

test('what the product knows but does not take is refused by name, before anything is made', async () => {
  const commands = [
    ['validate', 'calico-operator'],
    ['test', 'calico-operator'],
    ['images', 'save', './archive', 'calico-operator'],
  ]
  for (const argv of commands) {
    const { exitCode, stdout, stderr } = await cli(...argv)
    expect(stderr).toEqual([
      expect.stringMatching(
        /calico-operator\.yaml:8:\d+: cni\.installer: .*registry.*; choose the cluster calico/,
      ),
    ])
    expect([exitCode, stdout]).toEqual([2, ''])
  }
  const all = await cli('validate')
  expect(all.exitCode).toBe(0)
  expect(all.stdout).toMatch(/calico-operator\.yaml: valid: .*\n {2}cannot be run here: the Tigera operator/)
})

test('help comes from every command, examples first', async () => {
  const commands = [
    'test',
    'matrix',
    'list',
    'validate',
    'doctor',
    'clean',
    'rbac',
    'images',
    'report',
    'gate',
  ]
  const helps = await Promise.all([cli('--help'), ...commands.map((command) => cli(command, '--help'))])
  for (const { exitCode, stdout, stderr } of helps) {
    expect(stdout).toMatch(/^Examples:\n {2}cni-conformance \S+/)
    expect(stdout).toContain('--no-install')
    expect([exitCode, stderr]).toEqual([0, []])
  }
  const bare = await cli()
  expect([bare.exitCode, bare.stdout]).toEqual([2, ''])
})

test.each([
  ['10m', 600_000],
  ['90s', 90_000],
  ['1h30m', 5_400_000],
  ['0s', undefined],
  ['', undefined],
  ['10', undefined],
  ['1.5h', undefined],
  ['-1m', undefined],
  ['1m1h', undefined],
])('reads the duration %j', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test('list has a row for each check, and a fault for each', () => {
  const rows = listRows()
  expect(rows.map(({ id }) => id)).toEqual(checks.map(({ id }) => id))
})
