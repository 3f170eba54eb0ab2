import { createHash } from 'node:crypto'
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { budgets } from '../../helpers/budgets.ts'
import { SetupError, messageOf } from '../../helpers/errors.ts'
import { run } from '../../helpers/exec.ts'

const buildFlags = ['-trimpath', '-buildvcs=false', '-ldflags', '-s -w'] as const

/** A small program of ours in Go: one file that needs nothing but the standard library. */
export interface GoProgram {
  /** Of its folder beside this module, which has a main.go, and of the binary. */
  name: string
  /** Completes "could not build ...". */
  what: string
  /** What the user can do where it cannot be built. */
  next: string
}

/**
 * Builds a program of ours, once per content.
 *
 * @param cacheDir root of our cache
 * @returns path of a static binary for this machine's processor, with or without a container around it
 * @throws {SetupError} without Go, or when it doesn't compile
 */
export async function ensureProgram({ name, what, next }: GoProgram, cacheDir: string): Promise<string> {
  const source = join(import.meta.dirname, name, 'main.go')
  const hash = createHash('sha256')
    .update(await readFile(source))
    .update(JSON.stringify([buildFlags, process.arch]))
    .digest('hex')
  const path = join(cacheDir, name, hash.slice(0, 12), name)
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
      timeoutMs: budgets.goProgramMs.ms,
    })
    await rename(building, path)
  } catch (cause) {
    await rm(building, { force: true })
    throw new SetupError({ what: `could not build ${what}`, seen: messageOf(cause), next, cause })
  }
  return path
}

async function exists(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}
