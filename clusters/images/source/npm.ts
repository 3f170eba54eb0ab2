import { chmod, copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { extract } from 'tar'
import { z } from 'zod'
import { budgets } from '../../../helpers/budgets.ts'
import type { Entry } from '../cache.ts'
import type { BuildOf } from '../lock.ts'
import { codeHash, runStep } from '../tools.ts'
import type { Workshop } from './workshop.ts'

const packed = z.tuple([z.object({ filename: z.string(), integrity: z.string() })])

/** Chosen files of an npm package, fetched with the user's own npm configuration and checked by npm against its integrity. */
export async function buildNpm(id: string, build: BuildOf<'npm'>, workshop: Workshop): Promise<Entry> {
  const ref = `${build.package}@${build.version}`
  return await workshop.cache.entry({
    name: `npm-${id}`,
    inputs: [build, await codeHash(import.meta.url)],
    title: `fetch ${ref} from npm`,
    make: (dir) =>
      workshop.cache.withTempDir('npm', async (temp) => {
        const answer = await runStep(['npm', 'pack', '--json', '--silent', '--pack-destination', temp, ref], {
          what: `fetch ${ref} from npm`,
          next: `check that \`npm view ${ref}\` works, then run the same command again`,
          budget: budgets.downloadMs,
          // Outside any project: a .npmrc or lock file there is not ours.
          cwd: temp,
          signal: workshop.signal,
        })
        const [{ filename, integrity }] = packed.parse(JSON.parse(answer.stdout))
        await extract({ file: join(temp, filename), cwd: temp, strip: 1 })
        for (const [name, path] of Object.entries(build.files)) {
          await copyFile(join(temp, path), join(dir, name))
          await chmod(join(dir, name), 0o755)
        }
        return { builtFrom: `npm ${ref} ${integrity}` }
      }),
  })
}
