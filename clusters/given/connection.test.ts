import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectGiven, expiresAnnotation, expiryOf, marksOf, readContext } from './connection.ts'

const asked: string[] = []
const server = createServer((request, response) => {
  asked.push(`${request.method} ${request.url}`)
  response.setHeader('content-type', 'application/json').end('{"items":[]}')
})
let file = ''
beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  file = join(await mkdtemp(join(tmpdir(), 'given-')), 'kubeconfig')
  const { port } = server.address() as AddressInfo
  const plain = { 'insecure-skip-tls-verify': true }
  const context = (name: string, cluster: string) => ({ name, context: { cluster, user: 'u' } })
  const config = {
    'current-context': 'one',
    clusters: [
      { name: 'a', cluster: { server: `http://127.0.0.1:${port}`, ...plain } },
      { name: 'b', cluster: { server: `http://127.0.0.1:${port}/b`, ...plain } },
    ],
    users: [{ name: 'u', user: {} }],
    contexts: [context('one', 'a'), context('two', 'b'), context('lost', 'nowhere')],
  }
  await writeFile(file, JSON.stringify(config))
})
afterAll(async () => {
  server.close()
  await rm(join(file, '..'), { recursive: true })
})

test('the context that is named, or the current one; its server and user are told', () => {
  expect(readContext(file, undefined)).toMatchObject({ context: 'one', user: 'u' })
  expect(readContext(file, 'two').server).toMatch(/\/b$/)
})

test('no file, no context and no address are usage errors', () => {
  expect(() => readContext('./none', 'one')).toThrow(/^--kubeconfig: .\/none cannot be read: ENOENT/)
  expect(() => readContext(file, 'too')).toThrow(/has no context "too"; did you mean "two"\?/)
  expect(() => readContext(file, 'lost')).toThrow(/"lost" .* has no address/)
})

test('what the role does not have never leaves this machine', async () => {
  const kube = connectGiven(readContext(file, 'two'), { housing: 'own', namespaces: ['x'] })
  await kube.core.listNode()
  await expect(kube.core.listNamespacedSecret({ namespace: 'x' })).rejects.toThrow(/list secrets .*held back/)
  await expect(kube.core.deleteNode({ name: 'n' })).rejects.toThrow(/delete nodes n was held back/)
  expect(asked).toEqual(['GET /b/api/v1/nodes'])
})

test('what is marked says when it expires; what does not say it never does', () => {
  const at = new Date('2026-11-21T08:00:00.000Z')
  expect(expiryOf(marksOf('1a2b', at).annotations)).toEqual(at)
  expect(expiryOf({})).toBeUndefined()
  expect(expiryOf({ [expiresAnnotation]: 'soon' })).toBeUndefined()
})
