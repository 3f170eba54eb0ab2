import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Cni } from './cni.ts'

/** Of this folder, what is no CNI. */
const others = /^(all|cni)\.ts$|\.test\.ts$/

const names = (await readdir(import.meta.dirname))
  .filter((file) => file.endsWith('.ts') && !others.test(file))
  .map((file) => file.slice(0, -'.ts'.length))
  .toSorted()

const fileOf = (name: string): URL => new URL(`${name}.ts`, import.meta.url)

/** Path of a CNI's file, for another process. */
export const cniModule = (name: string): string => fileURLToPath(fileOf(name))

async function load(name: string): Promise<Cni> {
  const { href } = fileOf(name)
  return ((await import(/* @vite-ignore */ href)) as { cni: Cni }).cni
}

/** The CNIs that can be installed, by the name that a cluster definition uses: that of their file in this folder. */
export const cnis: Readonly<Record<string, Cni>> = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await load(name)] as const)),
)
