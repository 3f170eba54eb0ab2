import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { isUtf8 } from 'node:buffer'
import { join, relative } from 'node:path'
import { UsageError, messageOf } from '../helpers/errors.ts'
import { shown } from '../helpers/shown.ts'
import { closest } from '../helpers/suggest.ts'
import { lineOf, problemsOf } from './definition-problems.ts'
import type { RuleContext } from './definition-rules.ts'
import { definitionSchema } from './definition-schema.ts'
import type { ClusterDefinition } from './definition-schema.ts'
import { readSupportedVersions } from './supported.ts'
import type { Path, Problem } from './yaml.ts'
import { parseYaml } from './yaml.ts'

export type { ClusterDefinition } from './definition-schema.ts'

/** A definition that holds, and where it came from. */
export interface LoadedDefinition {
  definition: ClusterDefinition
  /** As messages name it: the path that the user gave, or one relative to the working directory. */
  file: string
  /** Of the file's bytes, in hex. */
  sha256: string
  /** A line `file:line:column: path: message` about one value of it, for rules that need more than the file. */
  problem: (path: Path, message: string) => string
}

/** Largest file that is read, in bytes. A definition has a few hundred; the worst file of this size takes 0.2 s. */
const maxBytes = 32 * 1024

/** Problems that one file prints. */
const maxLines = 50

/** The folder of the clusters that come with the product. */
const clustersFolder = import.meta.dirname

/**
 * Reads one definition.
 *
 * @param file path of a YAML file
 * @throws {UsageError} with every problem of the file, each as `file:line:column: path: message`
 */
export async function loadDefinition(file: string): Promise<LoadedDefinition> {
  const [bytes, versions] = await Promise.all([readBytes(file), readSupportedVersions()])
  return parseDefinition(file, bytes, { versions, today: new Date().toISOString().slice(0, 10) })
}

/**
 * Judges the bytes of a definition.
 *
 * @param file only for messages
 * @throws {UsageError} like {@link loadDefinition}
 */
export function parseDefinition(file: string, bytes: Buffer, context: RuleContext): LoadedDefinition {
  const document = parseYaml(decode(file, bytes))
  const problems = problemsOf(document, context)
  if (problems.length > 0) throw new UsageError(linesOf(file, problems))
  return {
    definition: definitionSchema.parse(document.value),
    file,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    problem: (path, message) => lineOf(file, { at: document.locate(path), path, message }),
  }
}

/**
 * Reads several definitions and reports the problems of all of them together.
 *
 * @param namesOrFiles see {@link resolveDefinition}
 * @throws {UsageError} with every problem of every file
 */
export async function loadDefinitions(namesOrFiles: readonly string[]): Promise<LoadedDefinition[]> {
  const results = await Promise.allSettled(
    namesOrFiles.map(async (nameOrFile) => loadDefinition(await resolveDefinition(nameOrFile))),
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

function linesOf(file: string, problems: readonly Problem[]): string[] {
  const lines = problems.slice(0, maxLines).map((problem) => lineOf(file, problem))
  const rest = problems.length - lines.length
  return rest === 0 ? lines : [...lines, `${file}: and ${rest} more`]
}

async function readBytes(file: string): Promise<Buffer> {
  try {
    const info = await stat(file)
    if (info.isDirectory()) throw new UsageError(`${file}: is a directory, expected a YAML file`)
    // A device or a pipe may never end.
    if (!info.isFile()) throw new UsageError(`${file}: is no regular file`)
    if (info.size > maxBytes) {
      throw new UsageError(`${file}: has ${info.size} bytes, a cluster definition has at most ${maxBytes}`)
    }
    return await readFile(file)
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { code } = error as NodeJS.ErrnoException
    const reason =
      code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'may not be read by you' : messageOf(error)
    throw new UsageError(`${file}: ${reason}`)
  }
}

/** Text of the file without a byte order mark, which editors on Windows put there and YAML allows. */
function decode(file: string, bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (isUtf8(bytes)) return text.replace(/^\uFEFF/, '')
  const lines = text.split('\n')
  const index = lines.findIndex((line) => line.includes('\uFFFD'))
  const column = (lines[index]?.indexOf('\uFFFD') ?? 0) + 1
  throw new UsageError(`${file}:${index + 1}:${column}: not UTF-8; save the file in that encoding`)
}
