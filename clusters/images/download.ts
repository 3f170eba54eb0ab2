import { createWriteStream } from 'node:fs'
import { chmod, rename } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract } from 'tar'
import { budgets } from '../../helpers/budgets.ts'
import { SetupError, messageOf } from '../../helpers/errors.ts'
import type { FileArtefact, Named } from './lock.ts'
import type { ProviderContext } from './provider.ts'
import { codeHash, sha256File } from './tools.ts'

/** Nothing came from that address; there may be another way to get the same thing. */
export class Unreachable extends SetupError {
  override readonly name = 'Unreachable'

  constructor(address: string, seen: string) {
    super({ what: `${address} is out of reach`, seen, next: 'check the network, or use --images source' })
  }
}

/**
 * A file from its upstream address, checked against the lock or against the checksum that upstream publishes.
 *
 * @throws {Unreachable} when the address doesn't answer or doesn't have it
 * @throws {SetupError} when what came is not what was published
 */
export async function download(
  artefact: Named<FileArtefact>,
  context: Pick<ProviderContext, 'cache' | 'signal'>,
): Promise<{ path: string; digest: string }> {
  const name = artefact.member ?? basename(artefact.source)
  const entry = await context.cache.entry({
    name: `file-${artefact.id}`,
    inputs: [artefact, await codeHash(import.meta.url)],
    title: `download ${artefact.upstream}`,
    make: (dir) =>
      context.cache.withTempDir('download', async (temp) => {
        const file = join(temp, 'file')
        const expected = await expectedDigest(artefact, context.signal)
        const answer = await get(artefact.upstream, context.signal)
        await pipeline(Readable.fromWeb(answer), createWriteStream(file)).catch((error: unknown) => {
          throw unreachable(artefact.upstream, error, context.signal)
        })
        const digest = await sha256File(file)
        if (digest !== expected) throw wrongDigest(artefact, expected, digest)
        if (artefact.member === undefined) await rename(file, join(dir, name))
        else
          await extract({ file, cwd: dir, filter: (path) => path.replace(/^\.\//, '') === artefact.member })
        if (artefact.type === 'binary') await chmod(join(dir, name), 0o755)
        return { digest }
      }),
  })
  return { path: join(entry.dir, name), digest: entry.facts['digest'] ?? '' }
}

async function expectedDigest(
  artefact: Named<FileArtefact>,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (artefact.digest !== 'resolve') return artefact.digest
  if (artefact.checksum === undefined)
    throw new Error(`lock.yaml: ${artefact.id} has neither digest nor checksum`)
  const text = await new Response(await get(artefact.checksum, signal)).text()
  const sum = /^([0-9a-f]{64})\b/m.exec(text)?.[1]
  if (sum === undefined) throw new Unreachable(artefact.checksum, 'an answer without a sha256')
  return `sha256:${sum}`
}

function wrongDigest(artefact: Named<FileArtefact>, expected: string, found: string): SetupError {
  return new SetupError({
    what: `${artefact.upstream} is not the file that upstream published`,
    seen: `${found}, expected ${expected}`,
    next: "find out what answers in upstream's place (a proxy?); --images source builds the same from its sources",
  })
}

async function get(address: string, signal: AbortSignal | undefined): Promise<ReadableStream<Uint8Array>> {
  // Headers soon or not at all; the body may take its time.
  const noHeaders = new AbortController()
  const timer = setTimeout(() => noHeaders.abort(), budgets.downloadAnswerMs.ms)
  const all = AbortSignal.timeout(budgets.downloadMs.ms)
  try {
    const answer = await fetch(address, {
      signal: AbortSignal.any([noHeaders.signal, all, ...(signal === undefined ? [] : [signal])]),
    })
    if (!answer.ok || answer.body === null) throw new Error(`status ${answer.status}`)
    return answer.body
  } catch (error) {
    throw unreachable(
      address,
      noHeaders.signal.aborted
        ? new Error(`no answer within ${budgets.downloadAnswerMs.ms / 1000} s`)
        : error,
      signal,
    )
  } finally {
    clearTimeout(timer)
  }
}

function unreachable(address: string, error: unknown, signal: AbortSignal | undefined): unknown {
  signal?.throwIfAborted()
  if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return error
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return new Unreachable(address, messageOf(cause))
}
