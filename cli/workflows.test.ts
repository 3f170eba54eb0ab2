import { access, mkdir, mkdtemp, readFile, readdir, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, expect, test } from 'vitest'
import { ZodError } from 'zod'
import { knownClusters } from '../clusters/definition.ts'
import { readRun, type Run } from '../reports/model.ts'
import { crossNodeDown, outcomesOf, runWith } from '../reports/run.testdata.ts'
import { writeReports } from '../reports/write.ts'
import { slowDocker } from './testing/slow-docker.ts'
import { yamlBlocks } from './testing/yaml-blocks.ts'
import { actionProblems, workflowProblems } from './testing/workflow-rules.ts'
import {
  parseAction,
  parseWorkflow,
  runStep,
  type Action,
  type StepEnd,
  type Values,
  type Workflow,
  type WorkflowStep,
} from './testing/workflow.ts'

/** The composite action, the workflow and the examples of the documentation: by rule, and their scripts as they run. */

const root = fileURLToPath(new URL('..', import.meta.url))
const actionText = await readFile(join(root, 'action.yml'), 'utf8')
const action: Action = parseAction(actionText)
const workflowFolder = join(root, '.github', 'workflows')
const workflows = new Map<string, string>([
  ...(await Promise.all(
    (await readdir(workflowFolder)).map(
      async (file) => [file, await readFile(join(workflowFolder, file), 'utf8')] as const,
    ),
  )),
  ...(await yamlBlocks(join(root, 'docs', 'ci.md'))).map(({ name, text }) => [name, text] as const),
])

test('the action and every workflow keep to the rules', () => {
  expect(actionProblems(actionText, action)).toEqual([])
  expect(workflows.size).toBe(3)
  for (const [file, text] of workflows)
    expect({ file, broken: workflowProblems(text, parseWorkflow(text), action) }).toEqual({
      file,
      broken: [],
    })
})

test.each<[string, string, string, string]>([
  ['a tag', '@27d5ce7f107fe9357f9df03efb73ab90386fccae # v5.0.5', '@v5', 'actions/cache/restore@v5'],
  ['no version', ' # v7.0.0', '', 'names no version'],
  ['an input in a script', 'argv=(test "$CLUSTER"', 'argv=(test "${{ inputs.cluster }}"', 'an expression'],
  ['a misspelt input', 'CHECKS: ${{ inputs.checks }}', 'CHECKS: ${{ inputs.check }}', 'inputs.check'],
  ['an unused input', 'PROFILE: ${{ inputs.profile }}', "PROFILE: ''", 'profile'],
  ['no such step', 'steps.test.outputs.exit-code', 'steps.tset.outputs.exit-code', 'steps.tset'],
  ['no such output', "printf 'lock=%s", "printf 'loc=%s", 'steps.names.outputs.lock'],
  ['an unknown variable', 'TIMEOUT: ${{', 'TIME_OUT: ${{', '$TIMEOUT'],
])('the rules would find it: %s', (_, from, to, said) => {
  const text = actionText.replace(from, to)
  expect(text).not.toBe(actionText)
  expect(actionProblems(text, parseAction(text)).join('\n')).toContain(said)
})

test('the schema would find it: a step without its shell, an option that there is not', () => {
  expect(() => parseAction(actionText.replace("default: 'true'", 'default: true'))).toThrow(ZodError)
  expect(() => parseAction(actionText.replace('      if: always()', '      when: always()'))).toThrow(
    ZodError,
  )
})

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cnic-action-'))
})

const nowhere = { DOCKER_HOST: 'unix:///nowhere.sock', NO_COLOR: '1' }

/** The scripts of the action one after the other, as a runner runs them. */
async function runAction(
  given: Values,
  place: Pick<Parameters<typeof runStep>[2], 'env' | 'onStart'> = {},
): Promise<Record<string, StepEnd>> {
  const defaults = Object.entries(action.inputs).map(([name, input]) => [
    `inputs.${name}`,
    'default' in input ? input.default : '',
  ])
  const values: Record<string, string> = Object.fromEntries(defaults) as Values
  for (const [name, value] of Object.entries(given)) values[`inputs.${name}`] = value
  const ends: Record<string, StepEnd> = {}
  const own = { RUNNER_TEMP: folder, XDG_STATE_HOME: join(folder, 'state'), GITHUB_ACTION_PATH: root }
  const env = { ...nowhere, ...own, ...place.env }
  for (const step of action.runs.steps) {
    if (!('run' in step)) continue
    const id = step.id ?? ''
    const end = await runStep(step, values, { ...place, cwd: folder, env })
    ends[id] = end
    for (const [name, value] of Object.entries(end.outputs)) values[`steps.${id}.outputs.${name}`] = value
  }
  return ends
}

test('the action: no Docker is exit code 3, with summary and reports', async () => {
  const { names, test, summary } = await runAction({ cluster: 'flannel', checks: 'dns/**\nservice/**\n' })
  expect(names?.outputs).toMatchObject({ cluster: 'flannel', artifact: 'run-flannel' })
  expect([test?.code, test?.outputs]).toEqual([3, { 'exit-code': '3' }])
  const report = join(folder, 'cni-conformance', 'flannel')
  expect([summary?.code, summary?.outputs]).toEqual([0, { report }])
  expect(summary?.summary).toMatch(/^## ⚠️ no verdict on flannel: set-up failed in phase host/)
  expect(await readdir(report)).toEqual(expect.arrayContaining(['events.jsonl', 'junit.xml', 'report.html']))
  const run = await readRun(join(report, 'run.json'))
  expect(run.run.filter).toBe('--check dns/** --check service/**')
})

test('the action: what is refused has no report, and the summary says so', async () => {
  const { test, summary } = await runAction({
    cluster: 'flanel',
    profile: 'all',
    args: '--keep=never\n--jobs=2',
  })
  expect(test?.printed).toContain('unknown cluster "flanel"; did you mean "flannel"?')
  expect(test?.printed).toContain('--profile: expected smoke or core or extended, got "all"')
  expect(test?.printed).toContain('unknown option "--jobs=2"')
  expect([test?.code, test?.outputs, summary?.outputs]).toEqual([2, { 'exit-code': '2' }, {}])
  expect(summary?.summary).toContain('## ⚠️ no report of flanel\n\nIt ended with exit code 2 before')
})

test('the action: no input is run', async () => {
  const hostile = (name: string): string => `'; touch ${folder}/${name} #"$(touch ${folder}/${name})\``
  const inputs = Object.fromEntries(Object.keys(action.inputs).map((name) => [name, hostile(name)]))
  const { names, test } = await runAction({
    ...inputs,
    'report-dir': '',
    cluster: `x\nlock=1\n${hostile('c')}`,
  })
  expect(test?.code).toBe(2)
  expect(names?.outputs['lock']).toMatch(/^[0-9a-f]{16}$/)
  for (const name of [...Object.keys(inputs), 'c'])
    await expect(access(join(folder, name))).rejects.toThrow(/ENOENT/)
})

test.each<[string, string, string, string]>([
  ['a misspelt input of the action', 'cluster: ${{ matrix', 'clusters: ${{ matrix', 'has no input clusters'],
  ['a job that the status does not wait for', '[plan, code, leg]', '[plan, leg]', 'does not need code'],
  ['a status that does not come', '    if: always()\n', '', 'does not run when another job failed'],
  ['more rights', 'contents: read', 'contents: write', 'more than to read'],
])('the rules would find it in the workflow: %s', (_, from, to, said) => {
  const text = workflows.get('conformance.yml')?.replace(from, to) ?? ''
  expect(workflowProblems(text, parseWorkflow(text), action).join('\n')).toContain(said)
})

test.each([
  ['SIGINT', '130'],
  ['SIGTERM', '143'],
] as const)('the action: a job cancelled by %s has its report', async (signal, code) => {
  const report = join(folder, signal)
  let shell: Parameters<NonNullable<Parameters<typeof runStep>[2]['onStart']>>[0] | undefined
  const ended = runAction(
    { cluster: 'flannel', 'report-dir': report, images: 'archive:nowhere' },
    { env: await slowDocker(folder, 1), onStart: (started) => (shell = started) },
  )
  await expect
    .poll(() => readFile(join(report, 'events.jsonl'), 'utf8').catch(() => ''), { timeout: 20_000 })
    .toContain('"phase-started"')
  shell?.kill(signal)
  const { test, summary } = await ended
  expect(test?.outputs).toEqual({ 'exit-code': code })
  expect(summary?.outputs).toEqual({ report })
  expect((await readRun(join(report, 'run.json'))).legs.map(({ abortedBy }) => abortedBy)).toEqual([signal])
})

const conformance: Workflow = parseWorkflow(workflows.get('conformance.yml') ?? '')

function stepOf(job: string, which: string): WorkflowStep {
  const step = conformance.jobs[job]?.steps.find(({ id, name }) => id === which || name === which)
  if (step === undefined) throw new Error(`no step ${which} in ${job}`)
  return step
}

test('the workflow: its legs are the clusters that this machine can run, or those that were named', async () => {
  const step = stepOf('plan', 'legs')
  const legsOf = async (clusters: string): Promise<{ name: string; file: string }[]> => {
    const { code, outputs } = await runStep(step, { 'inputs.clusters': clusters }, { cwd: root })
    expect(code).toBe(0)
    return JSON.parse(outputs['legs'] ?? '') as { name: string; file: string }[]
  }
  const known = await knownClusters()
  const all = (await legsOf('')).map(({ name }) => name)
  expect(known).toEqual(expect.arrayContaining(all))
  expect(all).toEqual(expect.arrayContaining(['flannel', 'calico', 'cilium']))
  expect(all).not.toContain('calico-operator')
  expect(await legsOf('calico flannel')).toEqual([
    { name: 'calico', file: 'clusters/calico.yaml' },
    { name: 'flannel', file: 'clusters/flannel.yaml' },
  ])
  expect((await runStep(step, { 'inputs.clusters': 'flanel' }, { cwd: root })).code).toBe(2)
})

const legsJson = JSON.stringify(
  ['flannel', 'calico'].map((name) => ({ name, file: `clusters/${name}.yaml` })),
)

/** The last job, in a workspace with these artifacts. */
async function lastJob(
  artifacts: Readonly<Record<string, Run>>,
  results: string,
  legs = legsJson,
): Promise<{ merge: StepEnd; verdict: StepEnd | undefined; files: string[] }> {
  const cwd = await mkdtemp(join(tmpdir(), 'cnic-workspace-'))
  // As in a checkout: its clusters, and npx finds the command.
  await mkdir(join(cwd, 'node_modules', '.bin'), { recursive: true })
  await symlink(
    join(root, 'cli', 'cni-conformance.mjs'),
    join(cwd, 'node_modules', '.bin', 'cni-conformance'),
  )
  await symlink(join(root, 'clusters'), join(cwd, 'clusters'))
  // download-artifact makes no folder for a single one.
  const names = Object.keys(artifacts)
  for (const [name, run] of Object.entries(artifacts))
    writeReports(run, join(cwd, 'legs', names.length === 1 ? '.' : name))
  const merge = await runStep(
    stepOf('conformance', 'merge'),
    { 'needs.plan.outputs.legs': legs },
    { cwd, env: nowhere },
  )
  if (merge.code !== 0) return { merge, verdict: undefined, files: [] }
  const values = { "join(needs.*.result, ' ')": results }
  const verdict = await runStep(stepOf('conformance', 'verdict'), values, { cwd, env: nowhere })
  return { merge, verdict, files: await readdir(join(cwd, 'report')) }
}

const green = runWith(outcomesOf(), 'flannel')
const red = runWith(outcomesOf(crossNodeDown), 'calico')
const greenCalico = runWith(outcomesOf(), 'calico')
const well = 'success success success'

test.each<[string, Record<string, Run>, string, number, RegExp]>([
  ['green', { 'run-a': green, 'run-b': greenCalico }, well, 0, /^## ✅ 35 checks passed on flannel; 35/],
  ['red', { 'run-a': green, 'run-b': red }, 'success success failure', 1, /^## ❌ .*15 of 35 checks failed/],
  ['a leg without a report', { 'run-a': green }, 'success success failure', 3, /no report of calico/],
  ['no report at all', {}, 'success success failure', 3, /no report of flannel/],
  ['green, but a job is not', { 'run-a': green, 'run-b': greenCalico }, 'success failure success', 1, /✅/],
])('the workflow: its one status is %s', async (_, artifacts, results, code, summary) => {
  const { merge, verdict, files } = await lastJob(artifacts, results)
  expect(merge.printed).not.toContain('rror')
  expect(merge.summary).toMatch(summary)
  expect(files).toEqual(expect.arrayContaining(['report.html', 'junit', 'run.json']))
  expect(verdict?.code).toBe(code)
})

test('the workflow: without a plan it is red', async () => {
  const { merge } = await lastJob({}, 'failure skipped skipped', '')
  expect([merge.code, merge.printed]).toEqual([2, expect.stringContaining('which runs?')])
})

test('the gate of the documentation ends as the gate does', async () => {
  const text = [...workflows.values()].find((each) => each.startsWith('name: gate')) ?? ''
  const step = parseWorkflow(text).jobs['gate']?.steps.find(({ name }) => name === 'gate')
  if (step === undefined) throw new Error('no step gate')
  const cwd = await mkdtemp(join(tmpdir(), 'cnic-workspace-'))
  await mkdir(join(cwd, 'node_modules', '.bin'), { recursive: true })
  await symlink(
    join(root, 'cli', 'cni-conformance.mjs'),
    join(cwd, 'node_modules', '.bin', 'cni-conformance'),
  )
  const before = { ...greenCalico, run: { ...greenCalico.run, id: 'before' } }
  writeReports(before, join(cwd, 'runs', 'before'))
  writeReports(red, join(cwd, 'runs', 'after'))
  const { code, summary, printed } = await runStep(step, {}, { cwd })
  expect(code).toBe(1)
  expect(printed).toContain(summary)
  expect(summary).toMatch(/^## ❌ 15 regressed on calico/)
})
