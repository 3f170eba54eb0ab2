import { execFile } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { outcomesOf, runWith } from '../reports/run.testdata.ts'
import { writeReports } from '../reports/write.ts'
import { yamlBlocks } from './testing/yaml-blocks.ts'

/**
 * Every command of the documentation, as it stands there, pipes and quotes included. Docker does not answer and the
 * cluster `staging` refuses: what needs no cluster must come to its end, all else as far as it gets without one, and
 * nothing may be refused as wrong. With a cluster, the conformance and Docker tests run the same commands.
 */

const root = join(import.meta.dirname, '..')
const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/*.md', { cwd: root }).toSorted()]

/** The lines of the shell examples of a page. */
function commandsIn(text: string): string[] {
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block)
  return blocks.flatMap((block) => block.split('\n')).filter((line) => line !== '')
}

const bare = (line: string): string => line.replace(/\s+#.*$/, '')

const texts = new Map(
  await Promise.all(pages.map(async (page) => [page, await readFile(join(root, page), 'utf8')] as const)),
)
const documented = [...texts].flatMap(([page, text]) => commandsIn(text).map((line) => [line, page] as const))
/** Each once, on the first page that has it. */
const ours = documented.filter(
  ([line], at) =>
    line.startsWith('npx cni-conformance ') &&
    documented.findIndex(([other]) => bare(other) === bare(line)) === at,
)
const others = documented.filter(([line]) => !line.startsWith('npx cni-conformance '))

/** What a command ends with on this machine; those that are not named need no cluster and end with 0. */
const exits: readonly (readonly [start: string, code: number, says: RegExp])[] = [
  // There is no kept cluster of this name, and it is said which ones there are.
  ['test --on ', 2, /"cnic-mine-1a2b"/],
  ['test --kubeconfig', 3, /127\.0\.0\.1:1\b/],
  ['test', 3, /set-up failed in phase host/],
  ['matrix', 3, /set-up failed in phase host/],
  ['images save', 3, /Docker/],
  ['doctor', 3, /Docker/],
]

/** What every command finds where it is run. */
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cni-conformance-docs-'))
  const green = (leg: string) => runWith(outcomesOf(), leg)
  const at = (id: string, hour: number, leg = 'flannel') => {
    const run = green(leg)
    const startedAt = `2026-11-21T0${hour}:00:00.000Z`
    return { ...run, run: { ...run.run, id, startedAt, endedAt: `2026-11-21T0${hour}:01:00.000Z` } }
  }
  for (const [path, run] of [
    ['old', at('old', 1)],
    ['new', at('new', 2)],
    ['a', at('a', 1)],
    ['b', at('b', 2, 'calico')],
    ['legs/run-flannel', at('one', 1)],
    ['legs/run-calico', at('two', 2, 'calico')],
    ['reports/runs/last', at('last', 3)],
    ['report', at('all', 4)],
  ] as const)
    writeReports(run, join(folder, path))
  await symlink('last', join(folder, 'reports/runs/latest'))
  await writeFile(join(folder, 'mine.yaml'), await definitionNamed('README.md', 'mine'))
  await writeFile(join(folder, 'staging.yaml'), await definitionNamed('docs/existing-cluster.md', 'staging'))
  await writeFile(join(folder, 'my-checks.yaml'), await readFile(join(root, 'docs/my-checks.yaml')))
  await mkdir(join(folder, '.kube'))
  for (const path of ['.kube/config', 'kubeconfig']) await writeFile(join(folder, path), kubeconfig)
  await standIn('npx', `shift; exec ${process.execPath} ${join(root, 'cli', 'cni-conformance.mjs')} "$@"`)
  // They take what our command prints.
  for (const name of ['kubectl', 'jq']) await standIn(name, 'exec grep .')
})
afterAll(() => Promise.all(globSync(`${folder}*`).map((path) => rm(path, { recursive: true }))))

async function standIn(name: string, script: string): Promise<void> {
  await mkdir(join(folder, 'bin'), { recursive: true })
  await writeFile(join(folder, 'bin', name), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, 'bin', name), 0o755)
}

/** The example of a cluster on a page. */
async function definitionNamed(page: string, name: string): Promise<string> {
  const blocks = await yamlBlocks(join(root, page))
  const block = blocks.find(({ text }) => text.includes(`\nname: ${name}\n`))
  if (block === undefined) throw new Error(`no cluster ${name} on ${page}`)
  return block.text
}

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{ name: staging, cluster: { server: https://127.0.0.1:1 } }]
contexts: [{ name: staging, context: { cluster: staging, user: me } }]
users: [{ name: me, user: { token: none } }]
current-context: staging
`

interface Ended {
  code: number
  text: string
}

async function shell(line: string): Promise<Ended> {
  const cwd = await mkdtemp(`${folder}-run-`)
  await cp(folder, cwd, { recursive: true, verbatimSymlinks: true })
  const env = {
    ...process.env,
    HOME: cwd,
    XDG_STATE_HOME: cwd,
    PATH: [join(folder, 'bin'), process.env['PATH']].join(delimiter),
    // One for all: each start without it compiles the whole program.
    XDG_CACHE_HOME: `${folder}-cache`,
    DOCKER_HOST: 'unix:///nowhere.sock',
    NO_COLOR: '1',
    CI: 'true',
  }
  return new Promise((resolve) => {
    execFile('bash', ['-o', 'pipefail', '-c', line], { cwd, env }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), text: stdout + stderr }),
    )
  })
}

test.concurrent.for(ours)('%s (%s)', { timeout: 120_000 }, async ([line], { expect: expects }) => {
  const command = line.replace('npx cni-conformance ', '')
  const [, code, says] = exits.find(([start]) => command.startsWith(start)) ?? ['', 0, /./]
  const ended = await shell(line)
  expects(ended.text).toMatch(says)
  expects(ended.code, ended.text).toBe(code)
})

test('what is no command of the product is a script, a file or a program of others', async () => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  const isThere = (line: string): boolean => {
    const [program = '', first = '', second = ''] = line.split(/\s+/)
    if (program === 'npm') return (first === 'run' ? second : first) in scripts
    return program === 'node' ? existsSync(join(root, first)) : program === 'kubectl'
  }
  expect(others.length).toBeGreaterThan(5)
  expect(others.filter(([line]) => !isThere(line))).toEqual([])
})

/** The anchors that GitHub makes from headings, and those of our own. */
function anchorsIn(text: string): ReadonlySet<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
  return new Set([...headings, ...[...text.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id)])
}

test('every link between the pages leads somewhere', () => {
  const links = [...texts].flatMap(([page, text]) =>
    [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = '']) => ({ page, to })),
  )
  const anchors = new Map([...texts].map(([page, text]) => [page, anchorsIn(text)]))
  const leads = ({ page, to }: { page: string; to: string }): boolean => {
    const [path = '', anchor] = to.split('#')
    const file = path === '' ? page : join(dirname(page), path)
    return anchor === undefined ? existsSync(join(root, file)) : anchors.get(file)?.has(anchor) === true
  }
  const ofOurs = links.filter(({ to }) => !/^https?:/.test(to))
  expect(ofOurs.length).toBeGreaterThan(100)
  expect(ofOurs.filter((link) => !leads(link))).toEqual([])
})
