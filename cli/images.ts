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
  const progress = createProgress({ quiet: globals.quiet })
  try {
    for (const { definition } of clusters) {
      const request: ImageRequest = { kubernetes: definition.kubernetes, cni: definition.cni }
      const options = { provider: images, progress, cacheDir: defaultCacheDir(), install: globals.install }
      await saveImages(request, dir, options)
    }
  } finally {
    progress.close()
  }
  return exitCodes.passed
}
