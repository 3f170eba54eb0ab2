import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { gateSchema } from '../reports/gate-model.ts'
import type { Run } from '../reports/model.ts'
import { crossNodeDown, outcomesOf, runWith } from '../reports/run.testdata.ts'
import { writeReports } from '../reports/write.ts'

const main = fileURLToPath(new URL('main.ts', import.meta.url))

/** The real command line, in `cwd`. */
async function cli(
  cwd: string,
  ...argv: string[]
): Promise<{ code: number; stdout: string; stderr: string[] }> {
  return new Promise((resolve) => {
    const env = { ...process.env, NO_COLOR: '1', DOCKER_HOST: 'unix:///nowhere.sock' }
    execFile(process.execPath, [main, ...argv], { cwd, env }, (error, stdout, stderr) => {
      const lines = stderr.split('\n').filter((line) => line !== '')
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr: lines })
    })
  })
}

function runNamed(id: string, hour: number, run: Run): Run {
  const at = (minute: number): string => `2026-11-21T0${hour}:0${minute}:00.000Z`
  return { ...run, run: { ...run.run, id, startedAt: at(0), endedAt: at(1) } }
}

/** A folder with `old`, green, and `new`, where nothing crosses between the nodes; and a leg of another cluster. */
async function folderOfRuns(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cnic-gate-'))
  writeReports(runNamed('old', 1, runWith(outcomesOf())), join(folder, 'old'))
  writeReports(runNamed('new', 2, runWith(outcomesOf(crossNodeDown))), join(folder, 'new'))
  writeReports(runNamed('other', 3, runWith(outcomesOf(), 'calico')), join(folder, 'calico'))
  return folder
}

test('gate: exit code, text, Markdown and JSON of a regression and of none', async () => {
  const folder = await folderOfRuns()
  const red = await cli(folder, 'gate', 'old', 'new/run.json')
  expect([red.code, red.stderr]).toEqual([1, []])
  expect(red.stdout).toContain('\n✗ 15 regressed on flannel\n')
  const json = await cli(folder, 'gate', 'old', 'new', '-o', 'json', '--max-slowdown', '2')
  expect(gateSchema.parse(JSON.parse(json.stdout))).toMatchObject({
    before: { file: 'old/run.json' },
    latency: { maxSlowdown: 2 },
    counts: { regressed: 15, same: 20 },
  })
  const markdown = await cli(folder, 'gate', 'old', 'new', '--format', 'markdown')
  expect(markdown.stdout).toMatch(/^## ❌ 15 regressed on flannel\n/)
  const green = await cli(folder, 'gate', 'new', 'old', '--any-order')
  expect(green.code).toBe(0)
  expect(green.stdout).toContain('\n✓ no regression in 35 checks\n')
})

test('gate: reports that cannot be trusted or compared are refused, all problems of both at once', async () => {
  const folder = await folderOfRuns()
  const text = await readFile(join(folder, 'old', 'run.json'), 'utf8')
  const files = {
    'cut.json': text.slice(0, 5_000),
    'future.json': text.replace('"schemaVersion": 1', '"schemaVersion": 2'),
    'edited.json': text.replace('"outcome": "passed"', '"outcome": "failed"'),
    'green.json': text.replace('"verdict": "reached"', '"verdict": "timed-out"'),
    'odd.json': text
      .replace('"level": "core"', '"level": "\\u001b[2Jcore"')
      .replace('"asked": 1', '"\\u001b]0;pwned\\u0007": 1'),
    'escape.json': '{"a": \u001b[2J}',
  }
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  const refused = async (...argv: string[]): Promise<string[]> => {
    const { code, stdout, stderr } = await cli(folder, 'gate', ...argv)
    expect([code, stdout]).toEqual([2, ''])
    // oxlint-disable-next-line no-control-regex
    expect(stderr.join('')).not.toMatch(/[\u0000-\u001f]/)
    return stderr
  }
  expect(await refused('cut.json', 'future.json')).toEqual([
    expect.stringMatching(/^cut\.json: not a run\.json: /),
    'future.json: schemaVersion: this version of cni-conformance reads 1; it is 2',
  ])
  expect(await refused('edited.json', 'green.json')).toEqual([
    'edited.json: verdict.exitCode: it is 0, but 1 follows from the outcomes ("1 of 35 checks failed on flannel")',
    'green.json: legs[0].outcomes[0].outcome: passed, although observations[0] saw timed-out and expected reached',
  ])
  expect(await refused('odd.json', 'escape.json')).toEqual([
    expect.stringMatching(/^odd\.json: legs\[0\]\.outcomes\[0\]\.level: /),
    expect.stringMatching(/^odd\.json: legs\[0\]\.outcomes\[0\]\.observations\[0\]\.asked: /),
    expect.stringMatching(
      /^odd\.json: legs\[0\]\.outcomes\[0\]\.observations\[0\]: .*\\u001b\]0;pwned\\u0007/,
    ),
    expect.stringMatching(/^escape\.json: not a run\.json: /),
  ])
  expect(await refused('old', 'calico')).toEqual([
    'calico/run.json: legs: it has "calico", and old/run.json has "flannel": no cluster in common',
  ])
  expect(await refused('old', 'old')).toHaveLength(1)
  expect(await refused('new', 'old')).toEqual([expect.stringMatching(/^old\/run\.json: run\.startedAt: /)])
})

test('report merge: one report of several, and every format of it', async () => {
  const folder = await folderOfRuns()
  const { code, stdout, stderr } = await cli(
    folder,
    'report',
    'merge',
    'new',
    'calico',
    '--report-dir',
    'all',
  )
  expect([code, stderr]).toEqual([0, []])
  expect(stdout.split('\n')).toContain('all/run.json')
  expect(await readdir(join(folder, 'all'))).toEqual(
    expect.arrayContaining(['junit.xml', 'run.json', 'summary.md']),
  )
  const merged = JSON.parse(await readFile(join(folder, 'all', 'run.json'), 'utf8')) as Run
  expect(merged.legs.map(({ cluster, origin }) => [cluster.name, origin?.run.id, origin?.folder])).toEqual([
    ['flannel', 'new', '../new'],
    ['calico', 'other', '../calico'],
  ])
  const failed = merged.legs[0]?.outcomes.find(({ outcome }) => outcome === 'failed')
  expect(failed?.evidence).toMatch(/^\.\.\/new\/flannel\/evidence\//)
  for (const [format, has] of [
    ['text', '  pod-to-pod/cross-node        ✗ 0/6    ✓ 6\n'],
    ['junit', '<testsuite name="calico"'],
    ['markdown', '| pod-to-pod/cross-node | ❌ 0/6 | ✅ 6/6 |'],
    ['json', '"folder": "new"'],
  ] as const) {
    expect((await cli(folder, 'report', 'merge', 'new', 'calico', '--format', format)).stdout).toContain(has)
  }
  // The merged run is one like any other: it can be shown, and a gate takes it.
  expect((await cli(folder, 'report', 'all')).stdout).toContain('✗ 15 of 35 checks failed on flannel')
  expect((await cli(folder, 'gate', 'old', 'all')).code).toBe(1)
})

test('report merge: conflicts and broken files are refused together, and nothing is written', async () => {
  const folder = await folderOfRuns()
  await mkdir(join(folder, 'empty'))
  const { code, stdout, stderr } = await cli(
    folder,
    'report',
    'merge',
    'old',
    'new',
    'old',
    'empty',
    'nowhere',
    '--report-dir',
    'all',
  )
  expect({ code, stdout, stderr }).toEqual({
    code: 2,
    stdout: '',
    stderr: [
      'empty: holds neither run.json nor events.jsonl',
      "nowhere: ENOENT: no such file or directory, stat 'nowhere'",
      'new/run.json: legs[0].cluster.name: "flannel" is in old/run.json too, with other results; give each leg once',
      'old/run.json: legs[0].cluster.name: "flannel" is in old/run.json too, with the same results; give each leg once',
    ],
  })
  expect(await readdir(folder)).not.toContain('all')
})

test('report merge: a leg that is expected and not there did not run, and the exit code can say so', async () => {
  const folder = await folderOfRuns()
  const merge = (...argv: string[]): ReturnType<typeof cli> => cli(folder, 'report', 'merge', ...argv)
  const all = ['--expect', 'flannel', '--expect', 'calico']
  const there = await merge('old', 'calico', ...all, '--exit-code')
  expect([there.code, there.stderr]).toEqual([0, []])
  const missing = await merge('old', ...all, '--report-dir', 'all', '--exit-code')
  expect([missing.code, missing.stderr]).toEqual([3, []])
  const run = JSON.parse(await readFile(join(folder, 'all', 'run.json'), 'utf8')) as Run
  const asked = run.legs.map(({ outcomes }) => outcomes.map(({ check }) => check).toSorted())
  expect(asked[1]).toEqual(asked[0]?.filter((check) => asked[1]?.includes(check)))
  expect(run.legs[1]?.setupFailure?.what).toBe('no report of calico is among those that were merged')
  // It is a run like any other, which a gate does not open on.
  expect((await cli(folder, 'gate', 'new', 'all', '--any-order')).code).toBe(3)
  // Red is red, whatever else is missing; and without --exit-code merging has worked.
  expect((await merge('new', ...all, '--exit-code')).code).toBe(1)
  expect((await merge('new', ...all)).code).toBe(0)
  // No report at all.
  const nothing = await merge(...all, '--exit-code')
  expect(nothing.code).toBe(3)
  expect(nothing.stdout.match(/no report of/g)?.length).toBeGreaterThanOrEqual(2)
  expect((await merge('old', '--expect', 'calcio')).stderr).toEqual([
    'unknown cluster "calcio"; did you mean "calico"? A file needs its path, such as ./mine.yaml',
  ])
})

test('report: the exit code of the run, where it is asked for', async () => {
  const folder = await folderOfRuns()
  expect((await cli(folder, 'report', 'new', '--exit-code')).code).toBe(1)
  expect((await cli(folder, 'report', 'old', '--exit-code')).code).toBe(0)
  expect((await cli(folder, 'report', 'old', '--expect', 'flannel')).stderr).toEqual([
    '--expect: only `report merge` expects legs',
  ])
})

test('matrix without Docker: every leg says why, the report is there, exit 3', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cnic-matrix-'))
  const yaml = await readFile(new URL('../clusters/flannel.yaml', import.meta.url), 'utf8')
  for (const name of ['one', 'two'])
    await writeFile(join(folder, `${name}.yaml`), yaml.replace('name: flannel', `name: ${name}`))
  const { code, stdout } = await cli(
    folder,
    'matrix',
    './one.yaml',
    './two.yaml',
    '--report-dir',
    'out',
    '--no-install',
  )
  expect(code).toBe(3)
  expect(stdout.match(/! set-up failed in phase host\n/g)).toHaveLength(2)
  const run = JSON.parse(await readFile(join(folder, 'out', 'run.json'), 'utf8')) as Run
  expect(run.legs.map(({ setupFailure }) => setupFailure?.phase)).toEqual(['host', 'host'])
  expect(run.verdict.exitCode).toBe(3)
})
