import { cp, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { z } from 'zod'
import { budgets } from '../../../helpers/budgets.ts'
import type { Step } from '../../../helpers/progress.ts'
import type { Entry } from '../cache.ts'
import type { BuildOf } from '../lock.ts'
import { codeHash, runStep, sha256 } from '../tools.ts'
import { needTool } from './host-tools.ts'
import type { Workshop } from './workshop.ts'

/** -trimpath keeps this machine's paths out: equal inputs give equal bytes, so what is made from them is not made again. */
const goFlags = '-trimpath -buildvcs=false'
const stripped = '-s -w'
const next =
  'install Go 1.26 or newer (https://go.dev/dl) and check `go env GOPROXY`, or use --images archive:DIR'

const moduleSchema = z.object({ Dir: z.string(), Sum: z.string(), GoMod: z.string() })

/** Builds main packages of a published Go module as static binaries. Facts: `builtFrom`, the module with its checksum. */
export async function buildGoModule(id: string, build: BuildOf<'go'>, workshop: Workshop): Promise<Entry> {
  return await workshop.cache.entry({
    name: `go-${id}`,
    inputs: [build, await goVersion(workshop), await codeHash(import.meta.url)],
    title: `build ${id}`,
    make: async (dir, step) => {
      if (build.cgo) await needTool('gcc', ['gcc', 'libc6-dev'], workshop)
      step.update('waiting for its turn')
      return await workshop.compile(() => compileModule(dir, build, workshop, step))
    },
  })
}

/** Builds a main package of this repository that needs the standard library alone. */
export async function buildGoProgram(
  id: string,
  build: BuildOf<'go-program'>,
  workshop: Workshop,
): Promise<Entry> {
  const main = join(import.meta.dirname, '..', build.path, 'main.go')
  return await workshop.cache.entry({
    name: `go-${id}`,
    inputs: [await goVersion(workshop), sha256(await readFile(main)), await codeHash(import.meta.url)],
    title: `build ${id}`,
    make: async (dir) => {
      const argv = ['go', 'build', '-ldflags', stripped, '-o', join(dir, id), main]
      await runStep(argv, { ...goOptions(`build ${id}`, false, workshop), budget: budgets.goBuildMs })
      return { builtFrom: `clusters/images/${build.path}` }
    },
  })
}

async function goVersion(workshop: Workshop): Promise<string> {
  const options = {
    ...goOptions('ask for the version of Go', false, workshop),
    budget: budgets.toolVersionMs,
  }
  return (await runStep(['go', 'env', 'GOVERSION', 'GOARCH'], options)).stdout.trim()
}

function goOptions(what: string, cgo: boolean, workshop: Workshop) {
  const env = {
    CGO_ENABLED: cgo ? '1' : '0',
    GOFLAGS: goFlags,
    GO111MODULE: undefined,
    GOWORK: 'off',
    GOOS: 'linux',
  }
  return { what, next, env, signal: workshop.signal }
}

async function compileModule(dir: string, build: BuildOf<'go'>, workshop: Workshop, step: Step) {
  const ref = `${build.module}@${build.version}`
  const options = goOptions(`build ${ref}`, build.cgo, workshop)
  step.update(`downloading ${ref}`)
  const answer = await runStep(['go', 'mod', 'download', '-json', ref], {
    ...options,
    what: `download ${ref}`,
    budget: budgets.downloadMs,
  })
  const module = moduleSchema.parse(JSON.parse(answer.stdout))
  return await workshop.cache.withTempDir('go', async (temp) => {
    await writeFile(join(temp, 'go.mod'), generatedGoMod(build, await readFile(module.GoMod, 'utf8')))
    // The module's own sums: what it was released with, and no look-ups for what they already hold.
    await writeFile(join(temp, 'go.sum'), await readFile(join(module.Dir, 'go.sum')))
    const out = join(temp, 'out')
    await mkdir(out)
    step.update('compiling')
    const packages = build.packages.map((path) => (path === '.' ? build.module : `${build.module}/${path}`))
    const argv = [
      'go',
      'build',
      '-mod=mod',
      '-ldflags',
      linkerFlags(build),
      ...tagFlags(build),
      '-o',
      `${out}/`,
      ...packages,
    ]
    await runStep(dyingWithUs(argv), {
      ...options,
      cwd: temp,
      budget: budgets.goBuildMs,
      onLine: (line) => step.update(line.replace(/^go: /, '')),
    })
    await collect(dir, out, module.Dir, build)
    return { builtFrom: `${ref} ${module.Sum}` }
  })
}

/** A build of minutes does not outlive a killed run: without this, `go` would go on as an orphan. */
export function dyingWithUs(argv: readonly string[]): string[] {
  return ['setpriv', '--pdeathsig', 'KILL', '--', ...argv]
}

function linkerFlags(build: BuildOf<'go'>): string {
  const variables = Object.entries(build.variables).map(([name, value]) => {
    const setting = `${name}=${value}`
    return `-X ${setting.includes(' ') ? `'${setting}'` : setting}`
  })
  return [stripped, ...variables, ...(build.cgo ? [`-extldflags '-static'`] : [])].join(' ')
}

function tagFlags(build: BuildOf<'go'>): string[] {
  // Static glibc can't load the name service switch; Go's own resolver needs none.
  const tags = [...build.tags, ...(build.cgo ? ['netgo', 'osusergo'] : [])]
  return tags.length === 0 ? [] : ['-tags', tags.join(',')]
}

/** go.mod of a throw-away main module that requires the one to build, so that the latter's packages can be built at all. */
export function generatedGoMod(build: BuildOf<'go'>, upstreamGoMod: string): string {
  const directive = (pattern: RegExp): string[] => upstreamGoMod.match(pattern)?.slice(0, 1) ?? []
  const staging = [...upstreamGoMod.matchAll(/^\s*(?:replace\s+)?(\S+)\s+=>\s+\.\/staging\//gm)].map(
    (match) => match[1] ?? '',
  )
  const replaced = [
    ...(build.staging === undefined
      ? []
      : staging.map((path) => [path, `${path} ${build.staging}`] as const)),
    ...(build.upstreamReplaces === true ? publishedReplaces(upstreamGoMod) : []),
    ...Object.entries(build.replace).map(([path, version]) => [path, `${path} ${version}`] as const),
  ]
  return [
    'module build',
    ...directive(/^go \S+$/m),
    ...directive(/^godebug [^(\n]*$/m),
    ...directive(/^godebug \([^)]*\)$/m),
    `require ${build.module} ${build.version}`,
    ...new Map(replaced).entries().map(([path, by]) => `replace ${path} => ${by}`),
    '',
  ].join('\n')
}

/** Replacements by a module with a version. Folders of the module's own repository are no part of what is published. */
function publishedReplaces(goMod: string): [path: string, by: string][] {
  const lines = goMod.matchAll(/^\s*(?:replace\s+)?(\S+)(?:\s+v\S+)?\s+=>\s+(\S+\s+v\S+)/gm)
  return [...lines].map(([, path = '', by = '']) => [path, by])
}

async function collect(dir: string, out: string, moduleDir: string, build: BuildOf<'go'>): Promise<void> {
  for (const path of build.packages) {
    const built = path === '.' ? moduleName(build.module) : basename(path)
    await rename(join(out, built), join(dir, build.rename[built] ?? built))
  }
  for (const file of build.files) {
    const target = join(dir, basename(file))
    await cp(join(moduleDir, file), target, { recursive: true })
    // Module folders are read-only; a folder that can't be written can't be removed either.
    await runStep(['chmod', '-R', 'u+w', target], {
      what: `copy ${file}`,
      next,
      budget: budgets.toolVersionMs,
    })
  }
}

/** The name that Go gives the binary of a module's root package: its last element that is no major version. */
function moduleName(module: string): string {
  const parts = module.split('/').filter((part) => !/^v\d+$/.test(part))
  return parts.at(-1) ?? module
}
