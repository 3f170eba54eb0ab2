import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { loadAll } from 'js-yaml'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { connectKube, withMarks } from './kube.ts'

/** An API server that takes everything, and remembers it. */
const taken: unknown[] = []
const server = createServer((request, response) => {
  const discovery = {
    resources: [
      { kind: 'CustomResourceDefinition', name: 'customresourcedefinitions', namespaced: false },
      { kind: 'NetworkPolicy', name: 'networkpolicies', namespaced: true },
      { kind: 'Thing', name: 'things', namespaced: false },
    ],
  }
  const answer = async (): Promise<void> => {
    const body = request.method === 'PATCH' ? await json(request) : discovery
    if (request.method === 'PATCH') taken.push(body)
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body))
  }
  void answer()
})
let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kube-'))
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterAll(async () => {
  server.close()
  await rm(folder, { recursive: true })
})

const manifest = `---
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: things.example.org }
spec:
  group: example.org
  names: { kind: Thing, plural: things }
  scope: Cluster
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            port:
              anyOf: [{ type: integer }, { type: string }]
              pattern: ^.*
              x-kubernetes-int-or-string: true
              default: 5
              enum: [5, six]
---
# nothing
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: deny, namespace: default }
spec:
  podSelector: {}
  ingress: [{ from: [{ podSelector: { matchLabels: { app: a } } }], ports: [{ port: http }, { port: 80 }] }]
---
apiVersion: example.org/v1
kind: Thing
metadata: { name: thing }
spec: { from: [1], x-y: true }
`

test('the API server gets every field of a manifest, also those that the client names otherwise', async () => {
  const { port } = server.address() as AddressInfo
  const file = join(folder, 'kubeconfig')
  const cluster = {
    name: 'c',
    cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true },
  }
  const context = { name: 'c', context: { cluster: 'c', user: 'u' } }
  const config = { clusters: [cluster], users: [{ name: 'u', user: {} }], contexts: [context] }
  await writeFile(file, JSON.stringify({ ...config, 'current-context': 'c' }))
  const kube = connectKube(file)
  await kube.apply(kube.parse(manifest))
  const documents = loadAll(manifest).filter((document) => document !== null && document !== undefined)
  expect(taken).toEqual(documents)
})

test('marks go beside what an object says itself, and never over it', () => {
  const marks = { labels: { run: '1', app: 'ours' }, annotations: { expires: 'soon' } }
  const object = { apiVersion: 'v1', kind: 'Thing', metadata: { name: 'a', labels: { app: 'a' } } }
  expect(withMarks(object, marks)).toEqual({
    ...object,
    metadata: { name: 'a', labels: { run: '1', app: 'a' }, annotations: { expires: 'soon' } },
  })
  expect(withMarks(object, undefined)).toBe(object)
})
