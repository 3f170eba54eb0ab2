import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { definitionJsonSchema } from '../clusters/definition-schema.ts'
import { checksJsonSchema } from '../suites/own/own-checks-schema.ts'
import { catalogueMarkdown } from './catalogue.ts'
import { detectionMarkdown } from './detection-page.ts'

/**
 * Writes the files that are made from the code. Run by `npm run generate`; a unit test says when they are stale.
 */

const root = join(import.meta.dirname, '..')

/** Every generated file: its path from the root of the project, and what belongs in it. */
const generated: Readonly<Record<string, () => string>> = {
  'clusters/cluster.schema.json': () => JSON.stringify(definitionJsonSchema()),
  'suites/checks.schema.json': () => JSON.stringify(checksJsonSchema()),
  'docs/catalogue.md': catalogueMarkdown,
  'docs/detection.md': detectionMarkdown,
}

/** The text of each generated file, in the project's format. */
export async function generateFiles(): Promise<Map<string, string>> {
  const { format, resolveConfig } = await import('prettier')
  const files = new Map<string, string>()
  for (const [path, content] of Object.entries(generated)) {
    const filepath = join(root, path)
    files.set(path, await format(content(), { ...(await resolveConfig(filepath)), filepath }))
  }
  return files
}

if (import.meta.main) {
  for (const [path, text] of await generateFiles()) await writeFile(join(root, path), text)
}
