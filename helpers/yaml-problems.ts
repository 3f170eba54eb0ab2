import type { z } from 'zod'
import { printable, shown } from './shown.ts'
import { closest, suggestion } from './suggest.ts'
import type { Path, Place, Problem, YamlDocument } from './yaml.ts'

/** What is wrong with a user's YAML file, whatever it is about: its schema and its rules, in words and with places. */

/** More than anybody reads; a hostile file could bring a hundred thousand. */
const maxProblems = 500

/** Problems that one file prints. */
const maxLines = 50

/** Told of something that is wrong at a path. */
export type Report = (path: Path, message: string) => void

/** What a file must be. */
export interface Format {
  /** As messages name one: `a cluster definition`. */
  what: string
  schema: z.ZodType
  /** JSON schema of the same, for the names of its fields. Only made when a field is unknown. */
  jsonSchema: () => Json
  /** What a schema cannot say. Gets the value as it was read, well formed or not. */
  rules: (value: unknown, report: Report) => void
}

type Json = z.core.JSONSchema.BaseSchema
type Issue = z.core.$ZodIssue

/** Everything that is wrong with a document, in the order of the file: YAML, schema and rules together. */
export function problemsOf(document: YamlDocument, format: Format): Problem[] {
  const { value } = document
  if (value === undefined) return [...document.problems]
  if (value === null && document.problems.length === 0) {
    return [{ at: document.locate([]), path: [], message: `empty, expected ${format.what}` }]
  }
  const problems: Problem[] = [...document.problems]
  const add = (at: Place, path: Path, message: string): void => {
    if (problems.length < maxProblems && !document.unreadable(path)) problems.push({ at, path, message })
  }
  let jsonSchema: Json | undefined
  const fieldsOf = (path: readonly SchemaStep[]): string[] =>
    fieldsAt((jsonSchema ??= format.jsonSchema()), path)
  const issues = format.schema.safeParse(value).error?.issues.slice(0, maxProblems) ?? []
  for (const { issue, path, schemaPath } of issues.flatMap((each) => narrowed(each))) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys.slice(0, maxProblems)) {
        const field = [...path, key]
        add(document.locateKey(field), field, `unknown field; ${suggestion(key, fieldsOf(schemaPath))}`)
      }
    } else if (issue.code === 'invalid_key') {
      add(document.locateKey(path), path, `a name: ${issue.issues[0]?.message ?? issue.message}`)
    } else {
      add(document.locate(path), path, describe(issue, valueAt(value, path)))
    }
  }
  format.rules(value, (path, message) => add(document.locate(path), path, message))
  return problems.sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
}

/** {@link lineOf} of each problem, cut where nobody would read on. */
export function linesOf(file: string, problems: readonly Problem[]): string[] {
  const lines = problems.slice(0, maxLines).map((problem) => lineOf(file, problem))
  const rest = problems.length - lines.length
  return rest === 0 ? lines : [...lines, `${file}: and ${rest} more`]
}

/** `file:line:column: path: message`, the form that editors and CI annotate. */
export function lineOf(file: string, { at, path, message }: Problem): string {
  const where = path.length === 0 ? '' : `${pathText(path)}: `
  return `${file}:${at.line}:${at.column}: ${where}${printable(message)}`
}

/** `expect[0].check`; a key that is no plain word stands in quotes. */
function pathText(path: Path): string {
  return path
    .map((step) => {
      if (typeof step === 'number') return `[${step}]`
      return /^[A-Za-z_<?][\w<-]{0,59}$/.test(step) ? `.${step}` : `[${shown(step)}]`
    })
    .join('')
    .replace(/^\./, '')
}

/** A step into a value, or to one of the alternatives of a schema. */
type SchemaStep = string | number | { alternative: number }

/** An issue, and where it is: in the file, and in the schema. */
interface Narrowed {
  issue: Issue
  path: Path
  schemaPath: readonly SchemaStep[]
}

/** What is wrong with the alternative that was probably meant: of no use is a list of what is wrong with each. */
function narrowed(issue: Issue, path: Path = [], schemaPath: readonly SchemaStep[] = []): Narrowed[] {
  const [here, there] = [
    [...path, ...(issue.path as Path)],
    [...schemaPath, ...(issue.path as Path)],
  ]
  if (issue.code !== 'invalid_union' || issue.errors.length === 0)
    return [{ issue, path: here, schemaPath: there }]
  const weights = issue.errors.map(weightOf)
  const alternative = weights.indexOf(Math.min(...weights))
  return (issue.errors[alternative] ?? []).flatMap((inner) =>
    narrowed(inner, here, [...there, { alternative }]),
  )
}

/** How far a value is from an alternative. A field that it does not know weighs more than one that is missing. */
function weightOf(issues: readonly Issue[]): number {
  return issues.reduce((sum, issue) => {
    if (issue.code === 'unrecognized_keys') return sum + 2 * issue.keys.length
    if (issue.code === 'invalid_union' && issue.errors.length > 0)
      return sum + Math.min(...issue.errors.map(weightOf))
    return sum + 1
  }, 0)
}

/** The fields that the schema knows at a path. */
function fieldsAt(root: Json, path: readonly SchemaStep[]): string[] {
  let schema: Json | undefined = root
  for (const step of path) {
    if (typeof step === 'object') schema = schema?.anyOf?.[step.alternative]
    else if (typeof step === 'number') schema = schema?.items as Json | undefined
    else schema = (schema?.properties?.[step] ?? schema?.additionalProperties) as Json | undefined
  }
  const alternatives = schema?.anyOf ?? []
  const known = [schema, ...alternatives].flatMap((each) => Object.keys(each?.properties ?? {}))
  return [...new Set(known)]
}

/** The value at a path of a document; undefined where there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, step) => (inner as Record<string | number, unknown> | null | undefined)?.[step],
    value,
  )
}

/** What zod expects, in words that say what to write. */
const typeNames: Readonly<Record<string, string>> = {
  string: 'text',
  int: 'a whole number',
  number: 'a whole number',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
}

/** Our words for an issue. Where the schema has words of its own, those; they never begin with `Invalid`. */
function describe(issue: Issue, value: unknown): string {
  const missing = value === undefined ? 'missing, ' : ''
  const got = value === undefined ? '' : `, got ${shown(value)}`
  if (!issue.message.startsWith('Invalid')) {
    return issue.code === 'custom' ? issue.message : `${missing}${issue.message}${got}`
  }
  if (issue.code === 'invalid_type') {
    const quotes = issue.expected === 'string' && ['number', 'boolean'].includes(typeof value)
    return `${missing}expected ${typeNames[issue.expected] ?? issue.expected}${got}${quotes ? '; put it in quotes' : ''}`
  }
  if (issue.code !== 'invalid_value') return `${issue.message}${got}`
  const values = issue.values.map(String)
  const guess = typeof value === 'string' ? closest(value, values) : undefined
  const hint = guess === undefined ? '' : `; did you mean "${guess}"?`
  return `${missing}expected ${values.length > 1 ? 'one of ' : ''}${values.join(', ')}${got}${hint}`
}
