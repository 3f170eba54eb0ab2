import type { z } from 'zod'
import { printable, shown } from '../helpers/shown.ts'
import { closest, suggestion } from '../helpers/suggest.ts'
import { applyRules } from './definition-rules.ts'
import type { RuleContext } from './definition-rules.ts'
import { definitionJsonSchema, definitionSchema } from './definition-schema.ts'
import type { Path, Place, Problem, YamlDocument } from './yaml.ts'

/** More than anybody reads; a hostile file could bring a hundred thousand. */
const maxProblems = 500

/** Everything that is wrong with a document, in the order of the file: YAML, schema and rules together. */
export function problemsOf(document: YamlDocument, context: RuleContext): Problem[] {
  const { value } = document
  if (value === undefined) return [...document.problems]
  if (value === null && document.problems.length === 0) {
    return [{ at: document.locate([]), path: [], message: 'empty, expected a cluster definition' }]
  }
  const problems: Problem[] = [...document.problems]
  const add = (at: Place, path: Path, message: string): void => {
    if (problems.length < maxProblems && !document.unreadable(path)) problems.push({ at, path, message })
  }
  const result = definitionSchema.safeParse(value)
  for (const issue of result.error?.issues.slice(0, maxProblems) ?? []) {
    const path = issue.path as Path
    if (issue.code === 'unrecognized_keys') {
      const known = fieldsAt(path)
      for (const key of issue.keys.slice(0, maxProblems)) {
        const field = [...path, key]
        add(document.locateKey(field), field, `unknown field; ${suggestion(key, known)}`)
      }
    } else {
      add(document.locate(path), path, describe(issue, valueAt(value, path)))
    }
  }
  applyRules(value, (path, message) => add(document.locate(path), path, message), context)
  return problems.sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column)
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

type Json = ReturnType<typeof definitionJsonSchema>
let jsonSchema: Json | undefined

/** The fields that the schema knows at a path. */
function fieldsAt(path: Path): string[] {
  jsonSchema ??= definitionJsonSchema()
  let schema: Json | undefined = jsonSchema
  for (const step of path) {
    schema = (typeof step === 'number' ? schema?.items : schema?.properties?.[step]) as Json | undefined
  }
  return Object.keys(schema?.properties ?? {})
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, step) => (inner as Record<string | number, unknown> | undefined)?.[step],
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
}

/** Our words for an issue. Where the schema has words of its own, those; they never begin with `Invalid`. */
function describe(issue: z.core.$ZodIssue, value: unknown): string {
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
