import { copyFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SetupError, messageOf } from '../../helpers/errors.ts'
import { readText } from './facts.ts'

/** Docker's own configuration file; https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file */
export const daemonConfigPath = '/etc/docker/daemon.json'

/** Name of our runtime in Docker's configuration. */
export const shimRuntime = 'cni-conformance-runc-shim'

type Json = Record<string, unknown>

/**
 * Adds the shim as default runtime. Everything else a user wrote stays, and so does a default runtime of their own
 * choice: whoever set one has solved the problem or wants it so.
 */
export function withShimRuntime(config: Json, shim: string): Json {
  const { runtimes, 'default-runtime': current } = config
  const others = isObject(runtimes) ? runtimes : {}
  const free = current === undefined || current === 'runc' || current === shimRuntime
  return {
    ...config,
    runtimes: { ...others, [shimRuntime]: { path: shim } },
    'default-runtime': free ? shimRuntime : current,
  }
}

/**
 * Writes the shim into Docker's configuration; a former file is kept beside it.
 *
 * @returns whether the file changed
 * @throws {SetupError} when the present file is not a JSON object
 */
export async function configureShimRuntime(shim: string, path: string = daemonConfigPath): Promise<boolean> {
  const text = await readText(path)
  const before = text === undefined || text.trim() === '' ? {} : parseConfig(text, path)
  const after = withShimRuntime(before, shim)
  if (JSON.stringify(before) === JSON.stringify(after)) return false
  await mkdir(dirname(path), { recursive: true })
  if (text !== undefined) await copyFile(path, `${path}.before-cni-conformance`)
  await writeFile(`${path}.new`, `${JSON.stringify(after, null, 2)}\n`, { mode: 0o644 })
  await rename(`${path}.new`, path)
  return true
}

function parseConfig(text: string, path: string): Json {
  let seen = 'not a JSON object'
  try {
    const config: unknown = JSON.parse(text)
    if (isObject(config)) return config
  } catch (error) {
    seen = messageOf(error)
  }
  throw new SetupError({
    what: `Docker's configuration ${path} can't be read`,
    seen,
    next: `mend ${path}; Docker itself does not start with it either`,
  })
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
