import { knownClusters } from '../clusters/definition.ts'
import { shown } from '../helpers/shown.ts'
import type { Problems } from './flags.ts'
import type { GlobalOptions, MatrixOptions } from './options.ts'
import { readTestOptions } from './test-options.ts'
import type { TestFlags } from './test-options.ts'

/** Flags of `matrix` as commander leaves them. */
export interface MatrixFlags extends Pick<
  TestFlags,
  | 'check'
  | 'checks'
  | 'profile'
  | 'nodes'
  | 'randomSeed'
  | 'reportDir'
  | 'timeout'
  | 'images'
  | 'registryMirror'
> {
  jobs?: string
}

/** The clusters of a matrix that names none. */
const defaultClusters = ['flannel', 'calico', 'cilium']

/** Legs that may be asked for at once: more than any machine of ours carries. */
const maxJobs = 99

/** Turns flags and cluster names into what `matrix` works with; everything wrong with either is said together. */
export async function readMatrixOptions(
  names: readonly string[],
  flags: MatrixFlags,
  globals: GlobalOptions,
  problems: Problems,
): Promise<MatrixOptions> {
  const jobs = readJobs(flags.jobs, problems)
  const known = await knownClusters()
  const byDefault = defaultClusters.filter((name) => known.includes(name))
  const options = await readTestOptions(names, flags, globals, problems, byDefault)
  return { ...options, jobs, legFlags: legFlags(flags, globals) }
}

function readJobs(text: string | undefined, problems: Problems): number | undefined {
  if (text === undefined) return undefined
  const jobs = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (jobs >= 1 && jobs <= maxJobs) return jobs
  problems.add(`--jobs: expected a number from 1 to ${maxJobs}, got ${shown(text)}`)
  return undefined
}

function legFlags(flags: MatrixFlags, { install }: GlobalOptions): string[] {
  const one = (flag: string, value: string | undefined): string[] =>
    value === undefined ? [] : [`${flag}=${value}`]
  return [
    ...(flags.checks ?? []).flatMap((file) => one('--checks', file)),
    ...(flags.check ?? []).flatMap((glob) => one('--check', glob)),
    ...one('--profile', flags.profile),
    ...one('--nodes', flags.nodes),
    ...one('--random-seed', flags.randomSeed),
    ...one('--timeout', flags.timeout),
    ...one('--images', flags.images),
    ...one('--registry-mirror', flags.registryMirror),
    ...(install ? [] : ['--no-install']),
  ]
}
