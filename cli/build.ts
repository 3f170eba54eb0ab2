import { glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { rolldown } from 'rolldown'
import { programModules } from '../helpers/agent/bundle.ts'
import { run } from '../helpers/exec.ts'

/**
 * Builds what the package holds into dist/: `npm pack` runs it, because Node.js runs no TypeScript below node_modules.
 * Module by module and in the same folders: what finds its files beside itself finds them there, too.
 */

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

/** What users import: these have declarations. tsconfig.build.json names them, too. */
const faces = ['suites/index', 'suites/setup']

/** Modules that nobody imports by name: programs, what is loaded by its path, and the faces. */
const entries = [
  'cli/main.ts',
  'clusters/reaper.ts',
  'clusters/cni/*.ts',
  ...faces.map((face) => `${face}.ts`),
]

/** Read at run time from beside the module that reads them. */
const data = [
  'clusters/*.{yaml,json}',
  'suites/*.json',
  'clusters/host/**/*.go',
  // The text of the recipes is part of the key of what they made.
  'clusters/images/**/*.{ts,go,yaml}',
  // The agent goes into the pods as it is written, without its types.
  ...programModules.map((module) => `helpers/agent/${module}.ts`),
  'reports/html/**/*.{css,client.js}',
]

/** `'./check.ts'`, without its extension. */
const importOfOurs = /'(\.\.?\/[\w./-]+)\.ts'/g

const isTest = (file: string): boolean => /\.test\.ts$|\.testdata\.ts$|\/test(ing|data)\//.test(file)

const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
  name: string
  version: string
  type: string
  dependencies: Record<string, string>
  peerDependencies: Record<string, string>
}

await rm(dist, { recursive: true, force: true })
await Promise.all([transpile(), copy(), declare()])

async function transpile(): Promise<void> {
  const bundle = await rolldown({
    cwd: root,
    input: await filesOf(entries),
    platform: 'node',
    external: isInstalled,
    treeshake: false,
    onLog(level, log) {
      throw new Error(`${level}: ${log.message}`)
    },
  })
  await bundle.write({
    dir: dist,
    format: 'esm',
    preserveModules: true,
    preserveModulesRoot: root,
    entryFileNames: '[name].js',
  })
  await bundle.close()
}

/** Whether npm brings the module. Another package in what runs is an error of the build, not of its users. */
function isInstalled(id: string): boolean {
  // A path, a module of the bundler's own, and the helpers that it writes into what it makes.
  if (/^[./\0]|^@oxc-project\/runtime\//.test(id)) return false
  const names = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
  const known = id.startsWith('node:') || names.some((name) => id === name || id.startsWith(`${name}/`))
  if (!known) throw new Error(`${id} is no dependency in package.json`)
  return true
}

async function copy(): Promise<void> {
  for (const file of await filesOf(data)) await write(file, await readFile(join(root, file)))
  const { name, version, type } = manifest
  await write('package.json', JSON.stringify({ name, version, type }))
}

/** The declarations that the faces lead to; the compiler writes those of every module that it sees. */
async function declare(): Promise<void> {
  const all = await mkdtemp(join(tmpdir(), 'cni-conformance-declarations-'))
  try {
    const tsc = join(root, 'node_modules', '.bin', 'tsc')
    await run([tsc, '--project', 'tsconfig.build.json', '--outDir', all], { cwd: root })
    const reached = new Set(faces)
    for (const module of reached) {
      const text = await readFile(join(all, `${module}.d.ts`), 'utf8')
      for (const [, path = ''] of text.matchAll(importOfOurs)) reached.add(join(dirname(module), path))
      await write(`${module}.d.ts`, text.replaceAll(importOfOurs, "'$1.js'"))
    }
  } finally {
    await rm(all, { recursive: true, force: true })
  }
}

/** @param file path below dist/ */
async function write(file: string, content: string | Buffer): Promise<void> {
  await mkdir(dirname(join(dist, file)), { recursive: true })
  await writeFile(join(dist, file), content)
}

async function filesOf(patterns: readonly string[]): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob(patterns, { cwd: root })) if (!isTest(file)) files.push(file)
  return files.toSorted()
}
