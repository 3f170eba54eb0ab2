import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { loadOwnChecks, parseOwnChecks } from './own-checks.ts'

const path = (name: string): string => fileURLToPath(new URL(`../../docs/${name}`, import.meta.url))

test('every file of checks in write-a-check.md is valid, and so is the one to start from', async () => {
  const page = await readFile(path('write-a-check.md'), 'utf8')
  const blocks = [...page.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, text]) => text ?? '')
  expect(blocks.length).toBe(2)
  for (const block of blocks) expect(parseOwnChecks('page', Buffer.from(block)).checks).toHaveLength(1)
  const [loaded] = await loadOwnChecks([path('my-checks.yaml')])
  expect(loaded?.checks.length).toBeGreaterThan(3)
})

test('what the page says of an id exists in the file', async () => {
  const [page, file] = await Promise.all(
    ['write-a-check.md', 'my-checks.yaml'].map((name) => readFile(path(name), 'utf8')),
  )
  const named = [...(page ?? '').matchAll(/`(mine\/[a-z/-]+)`/g)].map(([, id]) => id ?? '')
  expect(named.length).toBeGreaterThan(0)
  for (const id of named) expect(file).toContain(`id: ${id}\n`)
})
