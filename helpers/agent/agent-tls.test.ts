import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttps, type Server } from 'node:https'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askAll, freePorts, LocalAgents, type LocalClient } from './local-agent.ts'
import type { WireResult } from './protocol.ts'

/** Who answers over TLS must have a certificate of the given authority for what was asked. */

let folder = ''
let agents: LocalAgents
let from: LocalClient
const servers: Server[] = []

/** An authority and a certificate of it for these names. */
function certify(name: string, alternatives: string): { ca: string; cert: string; key: string } {
  const at = (file: string): string => join(folder, `${name}-${file}`)
  const openssl = (...argv: string[]): void => void execFileSync('openssl', argv, { stdio: 'ignore' })
  const key = ['-newkey', 'rsa:2048', '-nodes']
  openssl(
    'req',
    '-x509',
    ...key,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca'),
    '-subj',
    `/CN=${name}-ca`,
    '-days',
    '2',
  )
  openssl('req', ...key, '-keyout', at('key'), '-out', at('csr'), '-subj', '/CN=apiserver')
  writeFileSync(at('ext'), `subjectAltName=${alternatives}\n`)
  const signer = ['-CA', at('ca'), '-CAkey', at('ca.key'), '-CAcreateserial', '-days', '2']
  openssl('x509', '-req', '-in', at('csr'), ...signer, '-extfile', at('ext'), '-out', at('cert'))
  const read = (file: string): string => readFileSync(at(file), 'utf8')
  return { ca: read('ca'), cert: read('cert'), key: read('key') }
}

async function serve({ cert, key }: { cert: string; key: string }): Promise<number> {
  const server = createHttps({ cert, key }, (_request, response) => response.writeHead(403).end('no'))
  servers.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

async function ask(host: string, port: number, ca: string): Promise<WireResult> {
  const [result] = await askAll(from, [
    { id: 1, kind: 'tls', host, port, ca, path: '/version', timeoutMs: 5_000, toService: true },
  ])
  if (result === undefined) throw new Error('no row')
  return result
}

let ours: ReturnType<typeof certify>
let port = 0

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cnic-tls-'))
  agents = new LocalAgents()
  from = await agents.client(await agents.pod('alpha', '127.0.0.32', await freePorts('127.0.0.32')))
  ours = certify('ours', 'DNS:localhost,IP:127.0.0.1')
  port = await serve(ours)
})

afterAll(async () => {
  for (const server of servers) server.close()
  await agents[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true })
})

test.each(['127.0.0.1', 'localhost'])('any status is an answer, asked at %s', async (host) => {
  expect(await ask(host, port, ours.ca)).toMatchObject({ end: 'answered', attempts: 1 })
})

test('a certificate of another authority is not trusted', async () => {
  const other = certify('other', 'DNS:localhost,IP:127.0.0.1')
  expect(await ask('127.0.0.1', port, other.ca)).toMatchObject({
    end: 'untrusted',
    phase: 'answer',
    detail: expect.stringContaining('the certificate is for apiserver, issued by ours-ca') as string,
  })
})

test('nor is one of the right authority for somebody else', async () => {
  const stranger = certify('stranger', 'DNS:etcd,IP:127.0.0.9')
  const at = await serve(stranger)
  for (const host of ['127.0.0.1', 'localhost']) {
    expect(await ask(host, at, stranger.ca)).toMatchObject({
      end: 'untrusted',
      detail: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID') as string,
    })
  }
})

test('who does not speak TLS, and who hangs up, gives a bad answer', async () => {
  const plain = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
  }).listen(0, '127.0.0.1')
  const silent = createServer((socket) => socket.once('data', () => socket.end())).listen(0, '127.0.0.1')
  await Promise.all([once(plain, 'listening'), once(silent, 'listening')])
  for (const server of [plain, silent]) {
    const { port: at } = server.address() as AddressInfo
    expect(await ask('127.0.0.1', at, ours.ca)).toMatchObject({ end: 'bad-answer', phase: 'answer' })
    server.close()
  }
})

test('nobody there is refused', async () => {
  const { tcp } = await freePorts('127.0.0.33')
  expect(await ask('127.0.0.33', tcp, ours.ca)).toMatchObject({ end: 'refused', phase: 'connect' })
})
