import { readdir } from 'node:fs/promises'
import { extname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ownModule } from '../../helpers/own-module.ts'
import type { Cni } from './cni.ts'

/** Of this folder, what is no CNI. */
const others = /^(all|cni)\.[jt]s$|\.test\.ts$/

/** `.ts` in the checkout, `.js` in the package. */
const extension = extname(import.meta.filename)

const names = (await readdir(import.meta.dirname))
  .filter((file) => file.endsWith(extension) && !others.test(file))
  .map((file) => file.slice(0, -extension.length))
  .toSorted()

/** Path of a CNI's file, for another process. */
export const cniModule = (name: string): string => ownModule(name, import.meta.url)

async function load(name: string): Promise<Cni> {
  const { href } = pathToFileURL(cniModule(name))
  return ((await import(/* @vite-ignore */ href)) as { cni: Cni }).cni
}

/** The CNIs that can be installed, by the name that a cluster definition uses: that of their file in this folder. */
export const cnis: Readonly<Record<string, Cni>> = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await load(name)] as const)),
)
