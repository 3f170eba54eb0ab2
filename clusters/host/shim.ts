import { createHash } from 'node:crypto'
import { chmod, copyFile, mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { budgets } from '../../helpers/budgets.ts'
import { SetupError, messageOf } from '../../helpers/errors.ts'
import { run } from '../../helpers/exec.ts'

const source = join(import.meta.dirname, 'runc-shim', 'main.go')
const buildFlags = ['-trimpath', '-buildvcs=false', '-ldflags', '-s -w'] as const

/** Where Docker's configuration points; outside the cache, which a user may empty at any time. */
export const installedShim = '/usr/local/lib/cni-conformance/runc-shim'

/**
 * Builds the OCI runtime shim of hosts without CAP_SYS_RESOURCE, once per content.
 *
 * @param cacheDir root of our cache
 * @returns path of a static binary, the same for the host's Docker and for the node image
 * @throws {SetupError} without Go, or when it doesn't compile
 */
export async function ensureShim(cacheDir: string): Promise<string> {
  const text = await readFile(source)
  const hash = createHash('sha256')
    .update(text)
    .update(JSON.stringify([buildFlags, process.arch]))
    .digest('hex')
  const path = join(cacheDir, 'runc-shim', hash.slice(0, 12), 'runc-shim')
  if (await exists(path)) return path
  await mkdir(dirname(path), { recursive: true }).catch((cause: unknown) => {
    throw new SetupError({
      what: `could not create the cache folder ${dirname(path)}`,
      seen: messageOf(cause),
      next: 'set XDG_CACHE_HOME to a folder that you can write',
      cause,
    })
  })
  const building = `${path}.${process.pid}`
  try {
    await run(['go', 'build', ...buildFlags, '-o', building, source], {
      // The defaults of `go build` for one file of standard library; a user's GOFLAGS could demand a module.
      env: { CGO_ENABLED: '0', GOFLAGS: '', GO111MODULE: 'auto', GOOS: 'linux', GOARCH: undefined },
      timeoutMs: budgets.shimBuildMs.ms,
    })
    await rename(building, path)
  } catch (cause) {
    await rm(building, { force: true })
    throw new SetupError({
      what: 'could not build the OCI runtime shim that containers need on a host without CAP_SYS_RESOURCE',
      seen: messageOf(cause),
      next: 'install Go (apt-get install golang-go), or use a host whose root has CAP_SYS_RESOURCE',
      cause,
    })
  }
  return path
}

/** Puts the shim where Docker's configuration names it, atomically: containers may be starting meanwhile. */
export async function installShim(shim: string): Promise<string> {
  await mkdir(dirname(installedShim), { recursive: true })
  const next = `${installedShim}.${process.pid}`
  await copyFile(shim, next)
  await chmod(next, 0o755)
  await rename(next, installedShim)
  return installedShim
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
