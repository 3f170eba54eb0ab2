import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { codeHash } from './tools.ts'

test('a recipe is another one when its own text changes, or that of a module whose code it uses', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'code-hash-'))
  try {
    const url = pathToFileURL(join(dir, 'recipe.ts')).href
    const hashOf = async (recipe: string, used: string): Promise<string> => {
      await writeFile(join(dir, 'recipe.ts'), recipe)
      await writeFile(join(dir, 'used.ts'), used)
      return codeHash(url, './used.ts')
    }
    const hashes = [
      await hashOf('one', 'two'),
      await hashOf('one', 'three'),
      await hashOf('four', 'two'),
      await codeHash(url),
    ]
    expect(new Set(hashes).size).toBe(hashes.length)
    expect(await hashOf('one', 'two')).toBe(hashes[0])
    // What the package runs has been compiled; its text lies beside it.
    expect(await codeHash(url.replace(/\.ts$/, '.js'), './used.ts')).toBe(hashes[0])
  } finally {
    await rm(dir, { recursive: true })
  }
})
