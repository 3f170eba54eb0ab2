import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { create } from 'tar'
import { budgets } from '../../../helpers/budgets.ts'
import type { Entry } from '../cache.ts'
import { buildOf, fileOf } from '../lock.ts'
import type { BuildOf } from '../lock.ts'
import { compressLayer, packFolder } from '../oci.ts'
import { codeHash, runStep } from '../tools.ts'
import type { Workshop } from './workshop.ts'

/** Where `treeLayer` looks for a layer. */
const layerFile = 'layer.tar.zst'

/** A layer of files and whole folders that other builds left. Facts: `diffId`, `builtFrom`. */
export async function buildFilesLayer(
  id: string,
  build: BuildOf<'files'>,
  workshop: Workshop,
): Promise<Entry> {
  const parts = await Promise.all(
    Object.entries(build.files).map(async ([target, ref]) => ({ target, ...(await part(ref, workshop)) })),
  )
  return await workshop.cache.entry({
    name: `layer-${id}`,
    inputs: [build, parts.map(({ sums }) => sums), await codeHash(import.meta.url)],
    title: `put together layer ${id}`,
    make: (dir) =>
      workshop.cache.withTempDir('files', async (temp) => {
        const root = join(temp, 'root')
        await mkdir(root)
        for (const { target, path } of parts) {
          await mkdir(join(root, dirname(target)), { recursive: true })
          await cp(path, join(root, target), { recursive: true })
        }
        for (const path of build.without) await rm(join(root, path), { recursive: true })
        for (const [path, text] of Object.entries(build.dropLines)) await dropLines(join(root, path), text)
        // A module archive knows no modes; what is run and what is only read lies side by side.
        await runStep(['chmod', '-R', 'u=rwX,go=rX,a+x', root], {
          what: `put together layer ${id}`,
          next: 'see the message of chmod above',
          budget: budgets.packMs,
        })
        const plain = join(temp, 'layer.tar')
        await packFolder(root, plain)
        const layer = await compressLayer(plain, join(dir, layerFile))
        const builtFrom = [...new Set(parts.flatMap(({ entry }) => entry.facts['builtFrom'] ?? []))]
        return { diffId: layer.diffId, builtFrom: builtFrom.join(', ') }
      }),
  })
}

async function dropLines(file: string, text: string): Promise<void> {
  const lines = (await readFile(file, 'utf8')).split('\n')
  const kept = lines.filter((line) => !line.includes(text))
  if (kept.length === lines.length) throw new Error(`no line with ${text} in ${file}`)
  await writeFile(file, kept.join('\n'))
}

/** A folder as `<name>`, its own name the root of the archive. Facts: `builtFrom`. */
export async function buildTgz(id: string, build: BuildOf<'tgz'>, workshop: Workshop): Promise<Entry> {
  const { entry, path, sums } = await part(build.folder, workshop)
  return await workshop.cache.entry({
    name: `tgz-${id}`,
    inputs: [build, sums, await codeHash(import.meta.url)],
    title: `pack ${build.name}`,
    make: async (dir) => {
      const cwd = dirname(path)
      const options = {
        file: join(dir, build.name),
        cwd,
        gzip: { level: 9 },
        portable: true,
        mtime: new Date(0),
      }
      await create(options, [fileOf(build.folder)])
      const { builtFrom } = entry.facts
      return builtFrom === undefined ? undefined : { builtFrom }
    },
  })
}

/** A file or folder of a build, with the content of exactly that: other files of the same build don't matter. */
async function part(ref: string, workshop: Workshop) {
  const entry = await workshop.build(buildOf(ref))
  const name = fileOf(ref)
  const sums = Object.entries(entry.files)
    .filter(([file]) => file === name || file.startsWith(`${name}/`))
    .map(([file, { sha256 }]) => [file, sha256])
  if (sums.length === 0) throw new Error(`lock.yaml: ${ref} is not there`)
  return { entry, path: join(entry.dir, name), sums }
}
