import { createProgress } from '../../helpers/progress.ts'
import { loadDefinitions } from '../definition.ts'
import { ensureDocker } from '../host/docker.ts'
import { defaultCacheDir, parseImagesFlag, prepareImages } from '../images/prepare.ts'

/**
 * Vitest's set-up of the tests that need Docker: brings it on a machine where it is missing or not running, and the
 * node image that some of them work on, which is that of the cluster named by CNI (default flannel).
 */
export async function setup(): Promise<void> {
  const [cluster] = await loadDefinitions([process.env['CNI'] ?? 'flannel'])
  if (cluster === undefined) throw new Error('CNI names no cluster')
  const { kubernetes, cni } = cluster.definition
  const progress = createProgress({ quiet: false })
  const options = { install: true, cacheDir: defaultCacheDir(), progress }
  try {
    const { shim } = await ensureDocker(options)
    const provider = parseImagesFlag(undefined, undefined)
    await prepareImages(
      { kubernetes, cni },
      { ...options, provider, ...(shim === undefined ? {} : { shim }) },
    )
  } finally {
    progress.close()
  }
}
