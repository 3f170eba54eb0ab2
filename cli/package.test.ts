import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { codeHash } from '../clusters/images/tools.ts'
import { brokenDefinitions } from '../clusters/testdata/broken.ts'
import { agentFiles, agentVersion } from '../helpers/agent/bundle.ts'
import { run, type RunResult } from '../helpers/exec.ts'
import { listRows } from './list.ts'

// The package as its users get it: packed, and installed into an empty project without Vitest.

const root = join(import.meta.dirname, '..')
const bin = (program: string): string => join(root, 'node_modules', '.bin', program)

let folder = ''
let tarball = ''
/** The package in the project. */
let installed = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'package-'))
  const packed = await run(['npm', 'pack', '--silent', '--pack-destination', folder], { cwd: root })
  tarball = join(folder, packed.stdout.trim().split('\n').at(-1) ?? '')
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  await writeFile(join(folder, 'mine.yaml'), await readFile(join(root, 'clusters', 'flannel.yaml')))
  await writeFile(join(folder, 'broken.yaml'), broken.yaml)
  await writeFile(join(folder, 'my-checks.yaml'), await readFile(join(root, 'docs', 'my-checks.yaml')))
  const flags = ['--prefix', folder, '--omit=dev', '--prefer-offline', '--ignore-scripts']
  await run(['npm', 'install', ...flags, tarball], { cwd: folder })
  installed = join(folder, 'node_modules', 'cni-conformance')
}, 300_000)

afterAll(() => rm(folder, { recursive: true, force: true }))

const broken = brokenDefinitions.at(-1) ?? { yaml: '', expected: [] }

const cli = (...argv: string[]): Promise<RunResult> =>
  run(['npx', '--no-install', 'cni-conformance', ...argv], { cwd: folder, allowFailure: true })

test('publint finds nothing in the tarball', async () => {
  const bytes = await readFile(tarball)
  const { messages, pkg } = await publint({
    pack: { tarball: new Uint8Array(bytes).buffer },
    strict: true,
  })
  expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([])
})

test('brings neither tests, nor what only they need', async () => {
  const files = await readdir(installed, { recursive: true })
  expect(files.filter((file) => /\.test\.|testdata|testing/.test(file))).toEqual([])
  expect(await readdir(join(folder, 'node_modules'))).not.toContain('vitest')
})

test('runs from node_modules', async () => {
  const [valid, invalid, list, doctor] = await Promise.all([
    cli('validate', 'mine.yaml'),
    cli('validate', 'broken.yaml'),
    cli('list', '-o', 'json'),
    cli('doctor', '-o', 'json'),
  ])
  expect(valid).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/^mine\.yaml: valid: flannel, /) })
  expect(invalid).toMatchObject({ exitCode: 2, stdout: '' })
  const refusals = invalid.stderr.split('\n').filter((line) => line.startsWith('broken.yaml:'))
  expect(refusals).toEqual(broken.expected.map((line) => `broken.yaml:${line}`))
  expect(JSON.parse(list.stdout)).toEqual(listRows())
  expect(JSON.stringify(JSON.parse(doctor.stdout))).toContain(`Node.js ${process.versions.node}`)
})

test("takes checks of a user's own, and brings their schema", async () => {
  const checks = ['--checks', 'my-checks.yaml']
  const [valid, list, refused] = await Promise.all([
    cli('validate', ...checks),
    cli('list', '-o', 'json', ...checks),
    cli('test', 'mine.yaml', ...checks, '--check', 'mine/none'),
  ])
  expect(valid).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^my-checks\.yaml: valid: \d+ checks: mine\//),
  })
  const own = (JSON.parse(list.stdout) as { id: string; own?: true }[]).filter((row) => row.own === true)
  expect(own.map(({ id }) => id)).toContain('mine/api-server/tcp')
  // Everything was read and judged before it was refused.
  expect(refused).toMatchObject({
    exitCode: 2,
    stderr: expect.stringContaining('--check: nothing matches "mine/none"'),
  })
  const schema = join('suites', 'checks.schema.json')
  expect(await readFile(join(installed, 'dist', schema), 'utf8')).toBe(
    await readFile(join(root, schema), 'utf8'),
  )
})

test('every module finds what it imports', async () => {
  const files = (await readdir(join(installed, 'dist'), { recursive: true })).filter((file) =>
    file.endsWith('.js'),
  )
  // Programs and the script of a page; what needs Vitest is asked for below.
  const others = /reaper\.js$|page\.client\.js$|conformance\.js$|suites\/index\.js$/
  const modules = files.filter((file) => !others.test(file))
  expect(modules.length).toBeGreaterThan(100)
  const program = 'for (const file of process.argv.slice(1)) await import(file)'
  await run([
    process.execPath,
    '--input-type=module',
    '--eval',
    program,
    ...modules.map((file) => join(installed, 'dist', file)),
  ])
})

test('makes the images and the agent that the checkout makes, under the same keys', async () => {
  const built = join(installed, 'dist')
  const load = (file: string): Promise<unknown> =>
    import(/* @vite-ignore */ pathToFileURL(join(built, file)).href)
  const theirs = (await load('clusters/images/tools.js')) as { codeHash: typeof codeHash }
  const images = join('clusters', 'images')
  const modules = (await readdir(join(built, images), { recursive: true })).filter((file) =>
    file.endsWith('.js'),
  )
  expect(modules.length).toBeGreaterThan(15)
  for (const module of modules) {
    const key = await theirs.codeHash(pathToFileURL(join(built, images, module)).href)
    const source = join(root, images, module.replace(/\.js$/, '.ts'))
    expect([module, key]).toEqual([module, await codeHash(pathToFileURL(source).href)])
  }
  expect(await load('helpers/agent/bundle.js')).toMatchObject({ agentVersion })
  const agent = (await load('helpers/agent/bundle.js')) as { agentFiles: typeof agentFiles }
  expect(agent.agentFiles()).toEqual(agentFiles())
})

const ownChecks = `
import { conformance, checks, defineCheck, type Check, type Verdict } from 'cni-conformance'

const pods = { client: { node: 'worker1' }, server: { node: 'worker2' } } as const
const mine: Check = defineCheck({
  id: 'mine/cross-node/http',
  level: 'core',
  covers: ['P3'],
  requirement: 'A pod MUST reach a pod on another node over HTTP.',
  pods,
  probes: [{ from: 'client', to: 'server', via: 'pod-ip', protocol: 'http' }],
})
export const verdict: Verdict = 'reached'

conformance('mine', [mine])
conformance('dns', checks.filter(({ id }) => id === 'dns/resolv-conf'))
`

const typo = `
// @ts-expect-error no pod of this name
defineCheck({
  ...mine,
  pods,
  probes: [{ from: 'clinet', to: 'server', via: 'pod-ip', protocol: 'http' }],
})
`

test.each(['nodenext', 'bundler'])('has types, as %s resolves them', async (resolution) => {
  await writeFile(join(folder, 'typed.ts'), `${ownChecks}${typo}`)
  const options = ['--strict', '--noEmit', '--ignoreConfig', '--moduleResolution', resolution]
  const module = resolution === 'bundler' ? 'esnext' : resolution
  const argv = [bin('tsc'), ...options, '--module', module, '--target', 'es2024', 'typed.ts']
  expect(await run(argv, { cwd: folder, allowFailure: true })).toMatchObject({ exitCode: 0, stdout: '' })
})

test("a user's own Vitest suite says why it has no cluster", async () => {
  await symlink(join(root, 'node_modules', 'vitest'), join(folder, 'node_modules', 'vitest'))
  await writeFile(join(folder, 'mine.test.ts'), ownChecks)
  const vitest = async (globalSetup: string[]): Promise<RunResult> => {
    await writeFile(
      join(folder, 'vitest.config.ts'),
      `export default { test: { globalSetup: ${JSON.stringify(globalSetup)} } }`,
    )
    const env = { CNI: './broken.yaml', VITEST: undefined, NO_COLOR: '1' }
    return await run([bin('vitest'), 'run', '--root', folder], { cwd: folder, env, allowFailure: true })
  }
  const failed = await vitest(['cni-conformance/setup'])
  expect(failed.exitCode).toBe(1)
  expect(failed.stderr).toContain(
    'ClusterNotReady: ./broken.yaml: the run ended with exit code 2, its message is above',
  )
  expect(failed.stderr + failed.stdout).toContain(`./broken.yaml:${broken.expected[0]}`)
  const without = await vitest([])
  expect(without.exitCode).toBe(1)
  expect(without.stderr).toContain("globalSetup in vitest.config.ts does not name 'cni-conformance/setup'")
  expect(without.stdout).toContain('2 failed')
}, 60_000)
