import { checkProblems, nodeAccess, type CheckPart } from '../../helpers/check-rules.ts'
import type { Check } from '../../helpers/check.ts'
import { UsageError } from '../../helpers/errors.ts'
import { suggestion } from '../../helpers/suggest.ts'
import { decodeYaml, readYamlFile } from '../../helpers/yaml-file.ts'
import { lineOf, linesOf, problemsOf, type Report } from '../../helpers/yaml-problems.ts'
import { parseYaml, type Path } from '../../helpers/yaml.ts'
import { checks as catalogue } from '../catalogue.ts'
import { requirements } from '../requirements.ts'
import { checksFileSchema, checksJsonSchema, ownCheckFields } from './own-checks-schema.ts'

/** A file of checks that holds. */
export interface LoadedChecks {
  /** As the user named it. */
  file: string
  checks: readonly Check[]
  /** A line `file:line:column: path: message` about one value of it. */
  problem: (path: Path, message: string) => string
}

/** A file of a hundred checks has 40 KiB; the worst file of the largest size takes 0.4 s. */
const kind = { what: 'a file of checks', maxBytes: 64 * 1024 }

/** Files that one command takes. */
const maxFiles = 20

/**
 * Reads files of checks and reports the problems of all of them together.
 *
 * @throws {UsageError} with every problem of every file, each as `file:line:column: path: message`
 */
export async function loadOwnChecks(files: readonly string[]): Promise<LoadedChecks[]> {
  if (files.length > maxFiles)
    throw new UsageError(`--checks: expected at most ${maxFiles} files, got ${files.length}`)
  const results = await Promise.allSettled(
    files.map(async (file) => parseOwnChecks(file, await readYamlFile(file, kind))),
  )
  const problems: string[] = []
  const loaded: LoadedChecks[] = []
  for (const result of results) {
    if (result.status === 'fulfilled') loaded.push(result.value)
    else if (result.reason instanceof UsageError) problems.push(...result.reason.problems)
    else throw result.reason
  }
  problems.push(...repeatedOver(loaded))
  if (problems.length > 0) throw new UsageError([...new Set(problems)])
  return loaded
}

/** A line for each id that another file has, and for each file that is given twice. */
function repeatedOver(loaded: readonly LoadedChecks[]): string[] {
  const firstOf = new Map<string, string>()
  return loaded.flatMap(({ file, checks, problem }, at) => {
    if (loaded.findIndex((other) => other.file === file) < at) return [`${file}: given twice`]
    return checks.flatMap(({ id }, index) => {
      const first = firstOf.get(id)
      firstOf.set(id, first ?? file)
      return first === undefined || first === file
        ? []
        : [problem(['checks', index, 'id'], `${first} has a check of the same id`)]
    })
  })
}

/**
 * Judges the bytes of a file of checks.
 *
 * @param file only for messages
 * @throws {UsageError} like {@link loadOwnChecks}
 */
export function parseOwnChecks(file: string, bytes: Buffer): LoadedChecks {
  const document = parseYaml(decodeYaml(file, bytes))
  const problems = problemsOf(document, {
    what: kind.what,
    schema: checksFileSchema,
    jsonSchema: checksJsonSchema,
    rules: applyRules,
  })
  if (problems.length > 0) throw new UsageError(linesOf(file, problems))
  const { checks } = checksFileSchema.parse(document.value)
  return {
    file,
    checks: checks.map((check) => ({ ...check, own: true })),
    problem: (path, message) => lineOf(file, { at: document.locate(path), path, message }),
  }
}

/** What the schema cannot say. Runs on whatever is well formed, so that a user mends everything in one go. */
function applyRules(value: unknown, report: Report): void {
  const taken = new Map(catalogue.map(({ id }) => [id, 'cni-conformance itself has a check of this id']))
  asList(asRecord(value)['checks']).forEach((raw, index) => {
    const check = asRecord(raw)
    const path = ['checks', index]
    const id = ownCheckFields.id.safeParse(check['id'])
    if (id.success) {
      const owner = taken.get(id.data)
      if (owner !== undefined) report([...path, 'id'], owner)
      taken.set(id.data, `checks[${index}] has the same id`)
    }
    asList(check['covers']).forEach((number, at) => {
      if (typeof number === 'string' && /^[A-Z]\d{0,2}$/.test(number) && !Object.hasOwn(requirements, number))
        report([...path, 'covers', at], `unknown number; ${suggestion(number, Object.keys(requirements))}`)
    })
    const part = partOf(check)
    if (part === undefined) return
    for (const problem of checkProblems(part)) report([...path, ...problem.path], problem.message)
  })
}

/** Pods, and broken probes, that the rules look at: of more, the schema has said enough. */
const mostRoles = 50

/** What is well formed of a check; nothing where too little is to say how its parts fit. */
function partOf(check: Record<string, unknown>): CheckPart | undefined {
  const { features, pods, probes, policies, services, steps } = ownCheckFields
  const list = probes.safeParse(check['probes'])
  const own = policies.safeParse(check['policies'])
  const ownServices = services.safeParse(check['services'])
  const when = steps.safeParse(check['steps'])
  if (!own.success || !ownServices.success || !when.success) return undefined
  if (check['probes'] !== undefined && !Array.isArray(check['probes'])) return undefined
  const roles = Object.entries(asRecord(check['pods']))
  if (roles.length > mostRoles) return undefined
  return {
    level: typeof check['level'] === 'string' ? check['level'] : undefined,
    features: features.safeParse(check['features']).data ?? [nodeAccess],
    pods: Object.fromEntries(roles.map(([name, pod]) => [name, pods.valueType.safeParse(pod).data])),
    targets: check['targets'] === undefined ? undefined : asRecord(check['targets']),
    probes: list.success
      ? list.data
      : asList(check['probes'])
          .slice(0, mostRoles)
          .map((probe) => probes.unwrap().element.safeParse(probe).data),
    policies: own.data,
    services: ownServices.data,
    steps: when.data,
  }
}

const asList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

const asRecord = (value: unknown): Record<string, unknown> =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {}
