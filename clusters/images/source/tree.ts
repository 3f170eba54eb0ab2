import { lstat, mkdir, readFile, readdir, readlink, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { budgets } from '../../../helpers/budgets.ts'
import { run } from '../../../helpers/exec.ts'
import type { Entry } from '../cache.ts'
import type { BuildOf } from '../lock.ts'
import { compressLayer, packFolder } from '../oci.ts'
import type { Layer } from '../oci.ts'
import { codeHash, runStep } from '../tools.ts'
import { writeExtras } from './extras.ts'
import type { Workshop } from './workshop.ts'

const layerFile = 'layer.tar.zst'
const programFolders = ['/usr/sbin', '/usr/bin'] as const
/** Of a merged /usr: each root file system cut from Debian needs these four to find its programs and libraries. */
const mergedLinks = ['bin', 'sbin', 'lib', 'lib64'] as const

/** A layer of chosen programs with the libraries they need: a base image in the manner of distroless. */
export async function buildTree(id: string, build: BuildOf<'tree'>, workshop: Workshop): Promise<Entry> {
  const source = build.from === undefined ? undefined : await workshop.build(build.from)
  return await workshop.cache.entry({
    name: `layer-${id}`,
    inputs: [build, source?.digest, await codeHash(import.meta.url, './extras.ts')],
    title: `cut layer ${id}`,
    make: (dir) =>
      workshop.cache.withTempDir('tree', async (temp) => {
        const root = join(temp, 'root')
        const extras = join(temp, 'extras')
        await mkdir(root)
        await mkdir(extras)
        const tarFile = join(temp, 'layer.tar')
        const paths = source === undefined ? [] : await choose(root, join(source.dir, 'rootfs.tar'), build)
        if (build.busybox) await linkApplets(root, extras, new Set(paths))
        await writeExtras(extras, build)
        await packFolder(root, tarFile, { paths, alsoFolder: extras })
        const layer = await compressLayer(tarFile, join(dir, layerFile))
        const builtFrom = source?.facts['builtFrom']
        return { diffId: layer.diffId, ...(builtFrom === undefined ? {} : { builtFrom }) }
      }),
  })
}

/** The layer in an entry that {@link buildTree} made. */
export function treeLayer(entry: Entry): Layer {
  const diffId = entry.facts['diffId']
  if (diffId === undefined) throw new Error(`${entry.dir} is not a layer`)
  return { file: join(entry.dir, layerFile), diffId, compressed: true }
}

async function choose(root: string, rootfsTar: string, build: BuildOf<'tree'>): Promise<string[]> {
  const command = { what: 'unpack the Debian root file system', next: 'needs root', budget: budgets.packMs }
  await runStep(['tar', '--numeric-owner', '-xpf', rootfsTar, '-C', root], command)
  const wanted = [
    ...(await Promise.all(build.packages.map((name) => programsOf(root, name)))).flat(),
    ...(await Promise.all(build.take.map((name) => locate(root, name)))).flat(),
    ...(build.busybox ? ['/usr/bin/busybox'] : []),
  ]
  const chosen = new Set<string>(mergedLinks)
  const real = (await Promise.all(wanted.map((path) => follow(root, path, chosen)))).filter(
    (path) => path !== '',
  )
  for (const library of await librariesOf(root, real)) await follow(root, library, chosen)
  return [...chosen].toSorted()
}

/** Every program that a package installs. */
async function programsOf(root: string, name: string): Promise<string[]> {
  const list = await readFile(join(root, `var/lib/dpkg/info/${name}.list`), 'utf8').catch(() => undefined)
  if (list === undefined) throw new Error(`package ${name} is not in the root file system`)
  return list.split('\n').flatMap((line) => {
    const match = /^(?:\/usr)?\/(s?bin\/[^/]+)$/.exec(line)
    return match === null ? [] : [`/usr/${match[1]}`]
  })
}

/** Paths of a program by name, of a file, or of everything in a folder. */
async function locate(root: string, name: string): Promise<string[]> {
  const candidates = name.startsWith('/') ? [name] : programFolders.map((folder) => `${folder}/${name}`)
  for (const path of candidates) {
    const found = await lstat(join(root, path)).catch(() => undefined)
    if (found?.isDirectory() !== true) {
      if (found !== undefined) return [path]
      continue
    }
    const inside = await readdir(join(root, path), { recursive: true })
    return [path, ...inside.map((file) => join(path, file))]
  }
  throw new Error(`${name} is not in the root file system`)
}

/**
 * Adds a path and every symbolic link on the way to its end, as a container would follow them.
 *
 * @returns the path at the end, relative to `root`, or '' where a link dangles
 */
async function follow(root: string, path: string, chosen: Set<string>): Promise<string> {
  let current = mergedPath(path)
  for (let hops = 0; hops < 16; hops += 1) {
    const found = await lstat(join(root, current)).catch(() => undefined)
    if (found === undefined) return ''
    chosen.add(current)
    if (!found.isSymbolicLink()) return current
    const target = await readlink(join(root, current))
    current = mergedPath(target.startsWith('/') ? target : join('/', dirname(current), target))
  }
  throw new Error(`too many symbolic links at ${path}`)
}

/** `/bin/sh` -> `usr/bin/sh`: where the file really is when /bin is a link to /usr/bin. */
function mergedPath(path: string): string {
  return path.replace(/^\/(bin|sbin|lib|lib64)\//, '/usr/$1/').slice(1)
}

/** Shared libraries of those files, found by the loader of the root file system itself. */
async function librariesOf(root: string, paths: readonly string[]): Promise<string[]> {
  // ldd fails as soon as one of them is a script or static; what it prints of the others counts.
  const argv = ['chroot', root, 'ldd', ...paths.map((path) => `/${path}`)]
  const answer = await run(argv, { allowFailure: true, timeoutMs: budgets.packMs.ms })
  const found = answer.stdout.split('\n').flatMap((line) => /(?:=>\s+)?(\/\S+)\s+\(0x/.exec(line)?.[1] ?? [])
  return [...new Set(found)]
}

async function linkApplets(root: string, extras: string, chosen: ReadonlySet<string>): Promise<void> {
  const list = await runStep(['chroot', root, '/usr/bin/busybox', '--list'], {
    what: 'list the applets of busybox',
    next: 'needs root',
    budget: budgets.toolVersionMs,
  })
  const present = new Set([...chosen].map((path) => basename(path)))
  await mkdir(join(extras, 'usr/bin'), { recursive: true })
  for (const applet of list.stdout.split('\n').filter((name) => /^[a-z]/.test(name) && !present.has(name)))
    await symlink('busybox', join(extras, 'usr/bin', applet))
}
