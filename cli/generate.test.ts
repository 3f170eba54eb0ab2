import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { generateFiles } from './generate.ts'

test('the generated files are those that the code generates: npm run generate', async () => {
  const files = await generateFiles()
  const written = [...files.keys()].map((path) => readFile(join(import.meta.dirname, '..', path), 'utf8'))
  expect(await Promise.all(written)).toEqual([...files.values()])
})
