import type { GivenContext } from '../clusters/given/connection.ts'
import type { NodeSelector } from '../clusters/given/nodes.ts'
import { budgets } from '../helpers/budgets.ts'
import type { CoverageOptions } from '../helpers/coverage/coverage.ts'
import { shown } from '../helpers/shown.ts'
import type { Problems } from './flags.ts'
import type { CleanOptions, GivenOptions, GlobalOptions } from './options.ts'

/** Flags about a cluster that is not ours, as commander leaves them. */
export interface GivenFlags {
  kubeconfig?: string
  context?: string
  nodeSelector?: string
  namespace?: string
  fixtureImage?: readonly string[]
  dryRun?: true
}

/** Says which flags mean nothing beside the others. */
export function refuseFlags(
  flags: Readonly<Record<string, unknown>>,
  names: Readonly<Record<string, string>>,
  why: string,
  problems: Problems,
): void {
  for (const [key, flag] of Object.entries(names)) {
    if (flags[key] !== undefined) problems.add(`${flag}: ${why}`)
  }
}

/** The flags that go with --kubeconfig alone. */
export const givenFlagNames = {
  context: '--context',
  nodeSelector: '--node-selector',
  namespace: '--namespace',
  fixtureImage: '--fixture-image',
  dryRun: '--dry-run',
} as const

/** What `test` is told about a cluster that is not ours; undefined where something is wrong with it. */
export async function readGiven(
  flags: GivenFlags,
  timeoutMs: number | undefined,
  coverage: CoverageOptions,
  problems: Problems,
): Promise<GivenOptions | undefined> {
  const context = await readGivenContext(flags, problems)
  const nodeSelector = readNodeSelector(flags.nodeSelector, problems)
  const { parseFixtureImages, upstreamFixtureImages } = await import('../clusters/given/images.ts')
  const images = (await problems.collect(() => parseFixtureImages(flags.fixtureImage ?? []))) ?? {}
  readNamespace(flags.namespace, problems)
  if (context === undefined) return undefined
  return {
    context,
    nodeSelector,
    coverage,
    namespace: flags.namespace,
    images: { ...(await upstreamFixtureImages()), ...images },
    runMs: timeoutMs ?? budgets.givenRunMs.ms,
    dryRun: flags.dryRun === true,
  }
}

/** The kubeconfig and the context, which nobody may guess where nobody sees what was guessed. */
async function readGivenContext(
  { kubeconfig, context }: GivenFlags,
  problems: Problems,
): Promise<GivenContext | undefined> {
  if (kubeconfig === undefined) return undefined
  const seen = process.stdin.isTTY && process.stderr.isTTY && (process.env['CI'] ?? '') === ''
  if (context === undefined && !seen)
    problems.add(
      '--context: must be given in CI and where there is no terminal: nobody would see which cluster the current context chooses',
    )
  const { readContext } = await import('../clusters/given/connection.ts')
  return problems.collect(() => readContext(kubeconfig, context))
}

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const label = /^(?<key>([a-z0-9.-]{1,253}\/)?[A-Za-z0-9][\w.-]{0,62})=(?<value>[\w.-]{0,63})$/

function readNodeSelector(text: string | undefined, problems: Problems): NodeSelector {
  if (text === undefined) return {}
  const labels = text.split(',').map((part) => {
    const { key, value } = label.exec(part)?.groups ?? {}
    if (key === undefined || value === undefined)
      problems.add(`--node-selector: expected key=value[,key=value], got ${shown(part)}`)
    return [key ?? '', value ?? ''] as const
  })
  return Object.fromEntries(labels)
}

/** Room for the name of the other one, NAME-other, in a DNS label of 63 characters. */
const namespaceName = /^[a-z0-9]([a-z0-9-]{0,55}[a-z0-9])?$/

/** Namespaces that a cluster needs for itself, and where everybody is. */
const notForUs = /^(default|kube-.*)$/

/** Says what is wrong with the name of a namespace that is to be borrowed. */
export function readNamespace(name: string | undefined, problems: Problems): void {
  if (name === undefined) return
  if (!namespaceName.test(name))
    problems.add(
      `--namespace: expected a name of at most 57 lower-case letters, digits and dashes, got ${shown(name)}`,
    )
  else if (notForUs.test(name))
    problems.add(`--namespace: ${name} is not for checks; give one that nobody else uses`)
}

/** What `clean` is told; everything wrong with it is said together. */
export async function readCleanOptions(
  flags: GivenFlags & { all?: true },
  globals: GlobalOptions,
  problems: Problems,
): Promise<CleanOptions> {
  const { kubeconfig, namespace, all } = flags
  const { context, namespace: where } = givenFlagNames
  if (kubeconfig === undefined)
    refuseFlags({ ...flags }, { context, namespace: where }, 'goes with --kubeconfig', problems)
  else
    refuseFlags(
      { all },
      { all: '--all' },
      'is about clusters that are made; what has not expired stays',
      problems,
    )
  readNamespace(namespace, problems)
  const found = await readGivenContext(flags, problems)
  problems.throwIfAny()
  return {
    ...globals,
    all: all === true,
    ...(found === undefined ? {} : { given: { context: found, namespace } }),
  }
}
