import { isUtf8 } from 'node:buffer'
import { readFile, stat } from 'node:fs/promises'
import { UsageError, messageOf } from './errors.ts'

/** YAML files that users write: how they are read, whatever they are about. */

/** What a kind of file is, for messages and limits. */
export interface FileKind {
  /** As messages name one: `a cluster definition`. */
  what: string
  /** Largest file that is read, in bytes. */
  maxBytes: number
}

/**
 * The bytes of a file.
 *
 * @throws {UsageError} when it is too large, no regular file, or cannot be read
 */
export async function readYamlFile(file: string, { what, maxBytes }: FileKind): Promise<Buffer> {
  try {
    const info = await stat(file)
    if (info.isDirectory()) throw new UsageError(`${file}: is a directory, expected a YAML file`)
    // A device or a pipe may never end.
    if (!info.isFile()) throw new UsageError(`${file}: is no regular file`)
    if (info.size > maxBytes)
      throw new UsageError(`${file}: has ${info.size} bytes, ${what} has at most ${maxBytes}`)
    return await readFile(file)
  } catch (error) {
    if (error instanceof UsageError) throw error
    const { code } = error as NodeJS.ErrnoException
    const reason =
      code === 'ENOENT' ? 'no such file' : code === 'EACCES' ? 'may not be read by you' : messageOf(error)
    throw new UsageError(`${file}: ${reason}`)
  }
}

/**
 * Text of a file without a byte order mark, which editors on Windows put there and YAML allows.
 *
 * @throws {UsageError} with the first place that is not UTF-8
 */
export function decodeYaml(file: string, bytes: Buffer): string {
  const text = bytes.toString('utf8')
  if (isUtf8(bytes)) return text.replace(/^\uFEFF/, '')
  const lines = text.split('\n')
  const index = lines.findIndex((line) => line.includes('\uFFFD'))
  const column = (lines[index]?.indexOf('\uFFFD') ?? 0) + 1
  throw new UsageError(`${file}:${index + 1}:${column}: not UTF-8; save the file in that encoding`)
}
