import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { UsageError } from '../helpers/errors.ts'
import { shown } from '../helpers/shown.ts'
import { closest } from '../helpers/suggest.ts'
import { decodeYaml, readYamlFile } from '../helpers/yaml-file.ts'
import { lineOf, linesOf, problemsOf, valueAt } from '../helpers/yaml-problems.ts'
import { parseYaml, type Path } from '../helpers/yaml.ts'
import { applyRules, type RuleContext } from './definition-rules.ts'
import { definitionJsonSchema, definitionSchema, standingSchema } from './definition-schema.ts'
import type { ClusterDefinition } from './definition-schema.ts'
import { readSupportedVersions } from './supported.ts'

export type { ClusterDefinition } from './definition-schema.ts'

/** A definition that holds, and where it came from. */
export interface LoadedDefinition {
  definition: ClusterDefinition
  /** As messages name it: the path that the user gave, or one relative to the working directory. */
  file: string
  /** Of the file's bytes, in hex. */
  sha256: string
  /** Whether the file itself says it; what it leaves out has a default. */
  isWritten: (path: Path) => boolean
  /** A line `file:line:column: path: message` about one value of it, for rules that need more than the file. */
  problem: (path: Path, message: string) => string
}

/** A definition has a few hundred bytes; the worst file of the largest size takes 0.2 s. */
const kind = { what: 'a cluster definition', maxBytes: 32 * 1024 }

/** The folder of the clusters that come with the product. */
const clustersFolder = import.meta.dirname

/** What a definition is read for. */
export interface LoadOptions {
  /** The cluster stands already: it need not be one that we could make. */
  stands?: boolean
}

/**
 * Reads one definition.
 *
 * @param file path of a YAML file
 * @throws {UsageError} with every problem of the file, each as `file:line:column: path: message`
 */
export async function loadDefinition(
  file: string,
  { stands = false }: LoadOptions = {},
): Promise<LoadedDefinition> {
  const [bytes, versions] = await Promise.all([
    readYamlFile(file, kind),
    stands ? undefined : readSupportedVersions(),
  ])
  return parseDefinition(file, bytes, { versions, today: new Date().toISOString().slice(0, 10) })
}

/**
 * Judges the bytes of a definition.
 *
 * @param file only for messages
 * @throws {UsageError} like {@link loadDefinition}
 */
export function parseDefinition(file: string, bytes: Buffer, context: RuleContext): LoadedDefinition {
  const document = parseYaml(decodeYaml(file, bytes))
  // Of a cluster that stands, what we could make of it does not matter.
  const schema: typeof standingSchema = context.versions === undefined ? standingSchema : definitionSchema
  const problems = problemsOf(document, {
    what: kind.what,
    schema,
    jsonSchema: definitionJsonSchema,
    rules: (value, report) => applyRules(value, report, context),
  })
  if (problems.length > 0) throw new UsageError(linesOf(file, problems))
  return {
    definition: schema.parse(document.value),
    file,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    isWritten: (path) => valueAt(document.value, path) !== undefined,
    problem: (path, message) => lineOf(file, { at: document.locate(path), path, message }),
  }
}

/**
 * Reads several definitions and reports the problems of all of them together.
 *
 * @param namesOrFiles see {@link resolveDefinition}
 * @throws {UsageError} with every problem of every file
 */
export async function loadDefinitions(
  namesOrFiles: readonly string[],
  options: LoadOptions = {},
): Promise<LoadedDefinition[]> {
  const results = await Promise.allSettled(
    namesOrFiles.map(async (nameOrFile) => loadDefinition(await resolveDefinition(nameOrFile), options)),
  )
  const problems: string[] = []
  const loaded: LoadedDefinition[] = []
  for (const result of results) {
    if (result.status === 'fulfilled') loaded.push(result.value)
    else if (result.reason instanceof UsageError) problems.push(...result.reason.problems)
    else throw result.reason
  }
  loaded.forEach(({ definition, file, problem }, index) => {
    const first = loaded.findIndex((other) => other.definition.name === definition.name)
    if (first === index) return
    const other = loaded[first]?.file ?? ''
    problems.push(other === file ? `${file}: given twice` : problem(['name'], `${other} has the same name`))
  })
  if (problems.length > 0) throw new UsageError([...new Set(problems)])
  return loaded
}

/**
 * The file of a cluster: `flannel` is one that comes with the product; anything with a slash, or that ends in .yaml or
 * .yml, is a path.
 *
 * @throws {UsageError} for a name that no cluster has
 */
export async function resolveDefinition(nameOrFile: string): Promise<string> {
  if (/[/\\]|\.ya?ml$/i.test(nameOrFile)) return nameOrFile
  const known = await knownClusters()
  if (!known.includes(nameOrFile)) {
    const guess = closest(nameOrFile, known)
    const hint = guess === undefined ? `known are ${known.join(', ')}` : `did you mean "${guess}"?`
    throw new UsageError(
      `unknown cluster ${shown(nameOrFile)}; ${hint} A file needs its path, such as ./mine.yaml`,
    )
  }
  const file = join(clustersFolder, `${nameOrFile}.yaml`)
  const fromHere = relative(process.cwd(), file)
  return fromHere.startsWith('..') ? file : fromHere
}

/** Names of the clusters that come with the product, sorted. */
export async function knownClusters(): Promise<string[]> {
  const files = await readdir(clustersFolder)
  return files.flatMap((file) => (file.endsWith('.yaml') ? [file.slice(0, -'.yaml'.length)] : [])).sort()
}
