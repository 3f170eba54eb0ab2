import { chmod, copyFile, mkdir, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ensureProgram } from './go-program.ts'

/** Where Docker's configuration points; outside the cache, which a user may empty at any time. */
export const installedShim = '/usr/local/lib/cni-conformance/runc-shim'

/**
 * Builds the OCI runtime shim of hosts without CAP_SYS_RESOURCE, once per content.
 *
 * @param cacheDir root of our cache
 * @returns path of a static binary, the same for the host's Docker and for the node image
 * @throws {SetupError} without Go, or when it doesn't compile
 */
export const ensureShim = (cacheDir: string): Promise<string> =>
  ensureProgram(
    {
      name: 'runc-shim',
      what: 'the OCI runtime shim that containers need on a host without CAP_SYS_RESOURCE',
      next: 'install Go (apt-get install golang-go), or use a host whose root has CAP_SYS_RESOURCE',
    },
    cacheDir,
  )

/** Puts the shim where Docker's configuration names it, atomically: containers may be starting meanwhile. */
export async function installShim(shim: string): Promise<string> {
  await mkdir(dirname(installedShim), { recursive: true })
  const next = `${installedShim}.${process.pid}`
  await copyFile(shim, next)
  await chmod(next, 0o755)
  await rename(next, installedShim)
  return installedShim
}
