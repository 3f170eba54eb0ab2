import { createProgress } from '../../helpers/progress.ts'
import { ensureDocker } from '../host/docker.ts'
import { defaultCacheDir } from '../images/prepare.ts'

/** Vitest's set-up of the tests that need Docker: brings it on a machine where it is missing or not running. */
export async function setup(): Promise<void> {
  const progress = createProgress({ quiet: false })
  try {
    await ensureDocker({ install: true, cacheDir: defaultCacheDir(), progress })
  } finally {
    progress.close()
  }
}
