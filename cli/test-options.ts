import { stat } from 'node:fs/promises'
import { loadDefinitions } from '../clusters/definition.ts'
import type { LoadedDefinition } from '../clusters/definition.ts'
import type { ImageProviderChoice } from '../clusters/images/prepare.ts'
import type { Check } from '../helpers/check.ts'
import type { LoadedChecks } from '../suites/own/own-checks.ts'
import { standardCoverage, type CoverageOptions } from '../helpers/coverage/coverage.ts'
import { profileSchema, type Profile } from '../helpers/profiles.ts'
import { shown } from '../helpers/shown.ts'
import { suggestion } from '../helpers/suggest.ts'
import { parseDuration } from './duration.ts'
import { expectationProblems, matcher } from './expectations.ts'
import type { Problems } from './flags.ts'
import { givenFlagNames, readGiven, refuseFlags, type GivenFlags } from './given-options.ts'
import type { GlobalOptions, TestOptions } from './options.ts'
import { refusalProblems } from './refusals.ts'

/** Flags of `test` as commander leaves them. */
export interface TestFlags extends GivenFlags {
  checks?: readonly string[]
  check?: readonly string[]
  profile?: string
  nodes?: string
  randomSeed?: string
  keep?: string
  reportDir?: string
  timeout?: string
  images?: string
  registryMirror?: string
  hold?: true
  on?: string
}

/** The cluster of a run that names none. */
const defaultCluster = 'flannel'

/**
 * Turns flags and cluster names into what `test` works with; everything wrong with either is in `problems` together.
 */
export async function readTestOptions(
  names: readonly string[],
  flags: TestFlags,
  globals: GlobalOptions,
  problems: Problems,
  byDefault?: readonly string[],
): Promise<TestOptions> {
  const isGiven = flags.kubeconfig !== undefined
  refuseMixture(names, flags, problems)
  const clusters = isGiven
    ? ((await problems.collect(() => loadDefinitions(names, { stands: true }))) ?? [])
    : await readClusters(await namesOn(names, flags, problems), problems, byDefault)
  const profile = problems.oneOf('--profile', flags.profile, profileSchema.options) ?? 'extended'
  const checks = await selectChecks(flags, profile, problems)
  const coverage = readCoverage(flags, problems)
  const images = isGiven ? { kind: 'auto' as const } : await readImages(flags, problems)
  const timeoutMs = flags.timeout === undefined ? undefined : parseDuration(flags.timeout)
  if (flags.timeout !== undefined && timeoutMs === undefined) {
    problems.add(`--timeout: expected a duration such as 10m, 90s or 1h30m, got ${shown(flags.timeout)}`)
  }
  if (flags.reportDir !== undefined) await refuseFile('--report-dir', flags.reportDir, problems)
  const given = isGiven ? await readGiven(flags, timeoutMs, coverage, problems) : undefined
  const options: TestOptions = {
    ...globals,
    clusters,
    checks: checks.selected,
    profile,
    filter: filterText(flags, profile),
    coverage,
    keep: problems.oneOf('--keep', flags.keep, ['always', 'on-failure']) ?? 'never',
    reportDir: flags.reportDir,
    timeoutMs: timeoutMs ?? given?.runMs,
    images,
    hold: flags.hold === true,
    on: flags.on,
    ...(given === undefined ? {} : { given }),
  }
  for (const cluster of clusters)
    expectationProblems(cluster, checks.all).forEach((line) => problems.add(line))
  problems.throwIfAny()
  return options
}

/** A cluster is made, or it stands already: what is said of the one means nothing for the other. */
function refuseMixture(names: readonly string[], flags: TestFlags, problems: Problems): void {
  if (flags.kubeconfig === undefined) {
    refuseFlags({ ...flags }, givenFlagNames, 'goes with --kubeconfig', problems)
    return
  }
  const ofMaking = { images: '--images', registryMirror: '--registry-mirror', hold: '--hold', on: '--on' }
  refuseFlags({ ...flags }, ofMaking, 'is about clusters that are made; this one stands already', problems)
  for (const extra of names.slice(1))
    problems.add(`unexpected argument ${shown(extra)}; --kubeconfig is one cluster, with one definition`)
}

/**
 * The definition of a run: where it goes on with a kept cluster and none is named, the one that cluster was made of.
 */
async function namesOn(
  names: readonly string[],
  flags: TestFlags,
  problems: Problems,
): Promise<readonly string[]> {
  const { on } = flags
  if (on === undefined) return names
  const ofMaking = { images: '--images', registryMirror: '--registry-mirror' }
  refuseFlags({ ...flags }, ofMaking, 'is about clusters that are made; --on names one that was', problems)
  for (const extra of names.slice(1)) problems.add(`unexpected argument ${shown(extra)}; --on is one cluster`)
  const { keptClusters, readMade } = await import('../clusters/kept.ts')
  const kept = await keptClusters()
  const dir = kept.get(on)
  if (dir === undefined) {
    const known = kept.size === 0 ? 'there is none' : suggestion(on, [...kept.keys()])
    problems.add(`--on: ${shown(on)} is no cluster that was kept; ${known}`)
    return names
  }
  return names.length > 0 ? names : [(await readMade(dir)).file]
}

/** Definitions by name or path; the default ones when none is named. */
export async function readClusters(
  names: readonly string[],
  problems: Problems,
  byDefault: readonly string[] = [defaultCluster],
): Promise<LoadedDefinition[]> {
  const wanted = names.length > 0 ? names : byDefault
  const loaded = (await problems.collect(() => loadDefinitions(wanted))) ?? []
  for (const problem of refusalProblems(loaded)) problems.add(problem)
  return loaded
}

/** The image provider that --images and --registry-mirror choose. */
export async function readImages(
  flags: Pick<TestFlags, 'images' | 'registryMirror'>,
  problems: Problems,
): Promise<ImageProviderChoice> {
  const { images, registryMirror } = flags
  if (images === undefined && registryMirror === undefined) return { kind: 'auto' }
  const { parseImagesFlag } = await import('../clusters/images/prepare.ts')
  const choice = await problems.collect(() => parseImagesFlag(images, undefined))
  if (registryMirror === undefined) return choice ?? { kind: 'auto' }
  // Where --images itself is wrong, the mirror is judged alone, so that both are said at once.
  const known = choice === undefined ? undefined : images
  return (await problems.collect(() => parseImagesFlag(known, registryMirror))) ?? { kind: 'auto' }
}

/** How far a run goes over a cluster that has many nodes. */
function readCoverage({ nodes, randomSeed: seed }: TestFlags, problems: Problems): CoverageOptions {
  const number = nodes === undefined ? standardCoverage.nodes : /^\d{1,4}$/.test(nodes) ? Number(nodes) : 0
  if (number < 2) problems.add(`--nodes: expected a number from 2 to 9999, got ${shown(nodes ?? '')}`)
  if (seed !== undefined && !/^[\w.:-]{1,64}$/.test(seed))
    problems.add(
      `--random-seed: expected up to 64 letters, digits, dots, colons, dashes and underscores, got ${shown(seed)}`,
    )
  return { nodes: number, seed: seed ?? standardCoverage.seed }
}

async function selectChecks(
  flags: TestFlags,
  profile: Profile,
  problems: Problems,
): Promise<{ all: readonly Check[]; selected: readonly Check[] }> {
  const { checks: catalogue } = await import('../suites/catalogue.ts')
  const own = await readOwnChecks(flags.checks, problems)
  const all = [...catalogue, ...own.flatMap(({ checks }) => checks)]
  const ids = all.map(({ id }) => id)
  const { isInProfile } = await import('../suites/profiles.ts')
  const chosen = (flags.check ?? []).map((glob) => readGlob(glob, ids, problems))
  const named = chosen.length === 0 ? all : all.filter(({ id }) => chosen.some((matches) => matches(id)))
  const selected = named.filter((check) => isInProfile(profile, check))
  if (named.length > 0 && selected.length === 0) {
    problems.add(`--profile: none of the ${named.length} chosen checks is in ${profile}`)
  }
  return { all, selected }
}

/** The files of --checks; none where one of them is broken. */
export async function readOwnChecks(
  files: readonly string[] | undefined,
  problems: Problems,
): Promise<LoadedChecks[]> {
  if (files === undefined) return []
  const { loadOwnChecks } = await import('../suites/own/own-checks.ts')
  return (await problems.collect(() => loadOwnChecks(files))) ?? []
}

/** Longest glob that is read, in characters; ids have 40. */
const maxGlob = 200

function readGlob(glob: string, ids: readonly string[], problems: Problems): (id: string) => boolean {
  const readable = glob !== '' && glob.length <= maxGlob
  const matches = readable ? matcher(glob) : () => false
  if (!readable) problems.add(`--check: expected the id of a check or a glob over ids, got ${shown(glob)}`)
  else if (!ids.some(matches)) {
    problems.add(`--check: nothing matches ${shown(glob)}; ${suggestionFor(glob, ids)}`)
  }
  return matches
}

/** The closest id, or the topics where none is close: the list of all ids would be a page. */
function suggestionFor(glob: string, ids: readonly string[]): string {
  const hint = suggestion(glob, ids)
  if (hint.startsWith('did you mean')) return hint
  const topics = [...new Set(ids.map((id) => id.replace(/\/.*$/, '/**')))]
  return suggestion(glob, topics)
}

function filterText({ check }: TestFlags, profile: Profile): string | undefined {
  const parts = [
    ...(check ?? []).map((glob) => `--check ${glob}`),
    ...(profile === 'extended' ? [] : [`--profile ${profile}`]),
  ]
  return parts.length === 0 ? undefined : parts.join(' ')
}

export async function refuseFile(flag: string, path: string, problems: Problems): Promise<void> {
  const info = await stat(path).catch(() => undefined)
  if (path === '') problems.add(`${flag}: expected a folder, got nothing`)
  else if (info !== undefined && !info.isDirectory())
    problems.add(`${flag}: ${shown(path)} is a file, expected a folder`)
}
