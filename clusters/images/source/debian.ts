import { readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { budgets } from '../../../helpers/budgets.ts'
import { SetupError } from '../../../helpers/errors.ts'
import type { Step } from '../../../helpers/progress.ts'
import type { Entry } from '../cache.ts'
import type { BuildOf } from '../lock.ts'
import { packFolder } from '../oci.ts'
import { codeHash, runStep, shortHash } from '../tools.ts'
import { dyingWithUs } from './go-build.ts'
import { needTool } from './host-tools.ts'
import type { Workshop } from './workshop.ts'

/** Left out of the image, as kind's own clean-install does: nothing at run time reads them. */
const unneeded = [
  'debootstrap', 'var/cache/apt', 'var/cache/debconf', 'var/lib/apt/lists', 'var/log', 'var/tmp', 'tmp',
  'usr/share/doc', 'usr/share/man', 'usr/share/info', 'usr/share/locale',
] // prettier-ignore

/** A root file system of Debian packages as `rootfs.tar`. */
export async function buildDebian(id: string, build: BuildOf<'debian'>, workshop: Workshop): Promise<Entry> {
  return await workshop.cache.entry({
    name: id,
    // Not the mirror: each serves the same packages, signed by the same key.
    inputs: [build, process.arch, await codeHash(import.meta.url)],
    title: `install ${build.packages.length} Debian packages into a root file system`,
    make: async (dir, step) => {
      await needRoot(workshop)
      return await workshop.cache.withTempDir('debian', (temp) =>
        bootstrap(join(temp, 'root'), dir, build, workshop, step),
      )
    },
  })
}

async function bootstrap(
  root: string,
  dir: string,
  build: BuildOf<'debian'>,
  workshop: Workshop,
  step: Step,
) {
  const mirror = await hostMirror(build.suite)
  const argv = [
    'debootstrap',
    '--variant=minbase',
    `--include=${build.packages.join(',')}`,
    build.suite,
    root,
    ...(mirror === undefined ? [] : [mirror]),
  ]
  // Namespaces of its own: its mounts of /proc and /sys vanish with it, also when it is killed half-way.
  const contained = dyingWithUs([
    'unshare',
    '--mount',
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '--',
    ...argv,
  ])
  const { signal } = workshop
  await runStep(contained, {
    what: `install Debian ${build.suite} from ${mirror ?? 'the mirror that debootstrap takes'}`,
    next: 'check that `apt-get update` works on this machine, then run the same command again',
    budget: budgets.debootstrapMs,
    onLine: (line) => step.update(line.replace(/^[IWE]: /, '').trim()),
    signal,
  })
  step.update('packing')
  for (const path of unneeded) await emptyFolder(join(root, path))
  await rm(join(root, 'debootstrap'), { recursive: true, force: true })
  // An identity of its own for each node: an empty file makes systemd draw a new one at boot.
  await writeFile(join(root, 'etc/machine-id'), '')
  await packFolder(root, join(dir, 'rootfs.tar'), { signal })
  const status = await readFile(join(root, 'var/lib/dpkg/status'), 'utf8')
  return { builtFrom: `Debian ${build.suite}, package versions ${shortHash(installedVersions(status))}` }
}

async function emptyFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => [])
  await Promise.all(names.map((name) => rm(join(folder, name), { recursive: true, force: true })))
}

/** `name version` of each package in a dpkg status file. */
export function installedVersions(status: string): string[] {
  return status.split('\n\n').flatMap((paragraph) => {
    const name = /^Package: (.*)$/m.exec(paragraph)?.[1]
    const version = /^Version: (.*)$/m.exec(paragraph)?.[1]
    return name === undefined || version === undefined ? [] : [`${name} ${version}`]
  })
}

async function needRoot(workshop: Workshop): Promise<void> {
  if (process.getuid?.() === 0) return await needTool('debootstrap', ['debootstrap'], workshop)
  throw new SetupError({
    what: 'building the node image from source needs root: debootstrap makes files of other users',
    seen: `uid ${process.getuid?.()}`,
    next: 'run as root, or bring the images with --images archive:DIR or --images registry',
  })
}

/** The mirror from which this machine itself installs that suite; undefined leaves the choice to debootstrap. */
async function hostMirror(suite: string): Promise<string | undefined> {
  const folder = '/etc/apt/sources.list.d'
  const names = await readdir(folder).catch(() => [])
  const paths = [
    '/etc/apt/sources.list',
    ...names.toSorted((a, b) => a.localeCompare(b)).map((name) => join(folder, name)),
  ]
  for (const path of paths) {
    const text = await readFile(path, 'utf8').catch(() => '')
    const mirror = path.endsWith('.sources') ? mirrorInDeb822(text, suite) : mirrorInList(text, suite)
    if (mirror !== undefined) return mirror
  }
  return undefined
}

/** First mirror of that suite in one-line format: `deb [options] uri suite components`. */
export function mirrorInList(text: string, suite: string): string | undefined {
  for (const line of text.split('\n')) {
    const [type, ...rest] = line
      .replace(/#.*/, '')
      .replace(/\[[^\]]*\]/, ' ')
      .trim()
      .split(/\s+/)
    const [uri, entrySuite, ...components] = rest
    if (type === 'deb' && entrySuite === suite && components.includes('main') && isHttp(uri)) return uri
  }
  return undefined
}

/** First mirror of that suite in deb822 format: https://manpages.debian.org/bookworm/apt/sources.list.5.html */
export function mirrorInDeb822(text: string, suite: string): string | undefined {
  const withoutComments = text.replace(/^#.*\n?/gm, '')
  for (const stanza of withoutComments.split(/\n\s*\n/)) {
    const words = (field: string): string[] => {
      const value = new RegExp(`^${field}:((?:.*\\n?)(?:[ \\t]+.*\\n?)*)`, 'im').exec(stanza)?.[1] ?? ''
      return value.trim().split(/\s+/)
    }
    if (words('Enabled')[0]?.toLowerCase() === 'no') continue
    const uri = words('URIs').find(isHttp)
    if (
      words('Types').includes('deb') &&
      words('Suites').includes(suite) &&
      words('Components').includes('main') &&
      uri
    )
      return uri
  }
  return undefined
}

function isHttp(uri: string | undefined): uri is string {
  return uri !== undefined && /^https?:\/\//.test(uri)
}
