import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create } from 'tar'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SetupError } from '../../helpers/errors.ts'
import { silentProgress } from '../../helpers/progress.ts'
import { openCache } from './cache.ts'
import { Unreachable, download } from './download.ts'
import type { FileArtefact, Named } from './lock.ts'

const sum = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex')
let root = ''
let address = ''
const answers = new Map<string, string | Buffer>()
const server = createServer((request, response) => {
  const answer = answers.get(request.url ?? '')
  if (request.url === '/cut') {
    response.writeHead(200, { 'content-length': '100' })
    response.write('only this', () => response.destroy())
  } else if (answer === undefined) response.writeHead(404).end('not found')
  else response.end(answer)
})

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnic-download-'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  answers.set('/tool', 'the tool')
  answers.set('/tool.sha256', `${sum('the tool')}  tool\n`)
  answers.set('/wrong.sha256', `${sum('another tool')}  tool\n`)
  answers.set('/page.sha256', '<html>log in</html>')
})
afterAll(async () => {
  server.close()
  await rm(root, { recursive: true })
})

function artefact(fields: Partial<FileArtefact>): Named<FileArtefact> {
  const common = { id: 'tool', type: 'binary' as const, version: 'v1', source: 'build/tool' }
  return { ...common, upstream: `${address}/tool`, digest: 'resolve', ...fields }
}

async function fetched(fields: Partial<FileArtefact>) {
  const cache = await openCache(await mkdtemp(join(root, 'cache-')), silentProgress)
  return await download(artefact(fields), { cache, signal: new AbortController().signal })
}

test('a file is checked against the published checksum, or against the lock', async () => {
  const published = await fetched({ checksum: `${address}/tool.sha256` })
  expect(await readFile(published.path, 'utf8')).toBe('the tool')
  expect(published.digest).toBe(`sha256:${sum('the tool')}`)
  await expect(fetched({ digest: `sha256:${sum('the tool')}` })).resolves.toMatchObject({
    digest: published.digest,
  })
})

test('a file out of a tar is checked as the tar', async () => {
  const folder = join(root, 'content')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'bridge'), 'the bridge')
  await writeFile(join(folder, 'other'), 'other')
  await create({ gzip: true, file: join(root, 'all.tgz'), cwd: folder }, ['./bridge', './other'])
  const tgz = await readFile(join(root, 'all.tgz'))
  answers.set('/all.tgz', tgz)
  const { path } = await fetched({
    upstream: `${address}/all.tgz`,
    digest: `sha256:${sum(tgz)}`,
    member: 'bridge',
  })
  expect(await readFile(path, 'utf8')).toBe('the bridge')
  expect(await readdir(join(path, '..'))).toEqual(['bridge', 'entry.json'])
})

test.for<[string, () => Partial<FileArtefact>]>([
  ['of the lock', () => ({ digest: `sha256:${sum('another tool')}` })],
  ['that is published', () => ({ checksum: `${address}/wrong.sha256` })],
])('a file without the digest %s is refused', async ([, fields]) => {
  const failure = await fetched(fields()).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(SetupError)
  expect(failure).not.toBeInstanceOf(Unreachable)
  expect(String(failure)).toContain('is not the file that upstream published')
})

test.for<[string, () => Partial<FileArtefact>]>([
  ['not there', () => ({ upstream: `${address}/nothing`, digest: `sha256:${sum('')}` })],
  ['cut off', () => ({ upstream: `${address}/cut`, digest: `sha256:${sum('')}` })],
  ['on no server', () => ({ upstream: 'http://127.0.0.1:1/tool', digest: `sha256:${sum('')}` })],
  ['without its checksum', () => ({ checksum: `${address}/nothing` })],
  ['with a page in place of its checksum', () => ({ checksum: `${address}/page.sha256` })],
])('a file that is %s is out of reach', async ([, fields]) => {
  await expect(fetched(fields())).rejects.toThrow(Unreachable)
})
