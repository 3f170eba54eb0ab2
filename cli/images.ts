import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageRequest } from '../clusters/images/prepare.ts'
import { exitCodes } from '../helpers/errors.ts'
import { createProgress } from '../helpers/progress.ts'
import { shown } from '../helpers/shown.ts'
import type { Problems } from './flags.ts'
import type { GlobalOptions, ImagesSaveOptions } from './options.ts'
import { readClusters, readImages, refuseFile } from './test-options.ts'
import type { TestFlags } from './test-options.ts'

/** Reads `images <action> <dir> [clusters...]`. */
export async function readImagesSaveOptions(
  [action, dir, ...names]: readonly string[],
  flags: Pick<TestFlags, 'images' | 'registryMirror'>,
  globals: GlobalOptions,
  problems: Problems,
): Promise<ImagesSaveOptions> {
  if (action !== 'save') problems.add(`images: expected save, got ${shown(action)}`)
  if (dir === undefined) problems.add('images save: missing, expected a folder')
  else await refuseFile('images save', dir, problems)
  const clusters = await readClusters(names, problems)
  const images = await readImages(flags, problems)
  problems.throwIfAny()
  return { ...globals, dir: dir ?? '', clusters, images }
}

/** `images save`: everything for a run of these clusters on a machine without any network. Returns the exit code. */
export async function imagesSaveCommand({
  dir,
  clusters,
  images,
  ...globals
}: ImagesSaveOptions): Promise<number> {
  const { defaultCacheDir, saveImages } = await import('../clusters/images/prepare.ts')
  const { ensureDocker } = await import('../clusters/host/docker.ts')
  const cacheDir = defaultCacheDir()
  const names = clusters.map(({ definition }) => definition.name)
  const progress = createProgress({ quiet: globals.quiet })
  try {
    // All images pass through it: without one, it is better known before an hour of downloads or builds.
    await progress.step('look at Docker', (step) =>
      ensureDocker({ install: globals.install, cacheDir, progress: step }),
    )
    for (const { definition } of clusters) {
      const request: ImageRequest = { kubernetes: definition.kubernetes, cni: definition.cni }
      const options = { provider: images, progress, cacheDir, install: globals.install }
      await saveImages(request, dir, options)
    }
  } finally {
    progress.close()
  }
  const bytes = await bytesIn(dir)
  process.stdout.write(
    globals.output === 'json'
      ? `${JSON.stringify({ dir, clusters: names, bytes }, undefined, 2)}\n`
      : `saved in ${dir}: ${names.join(', ')}, ${Math.ceil(bytes / 2 ** 20)} MiB in all\n` +
          `without a network: test ${names[0]} --images archive:${dir}\n`,
  )
  return exitCodes.passed
}

/** Of all files of a folder. */
async function bytesIn(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  const sizes = await Promise.all(files.map(({ parentPath, name }) => stat(join(parentPath, name))))
  return sizes.reduce((sum, { size }) => sum + size, 0)
}
