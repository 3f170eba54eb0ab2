import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CoreV1Api, KubeConfig, type V1Pod } from '@kubernetes/client-node'
import { afterEach, expect, test } from 'vitest'
import { awaitUntil, sleep } from './await.ts'
import { Watched } from './watched.ts'

/** An API server that has pods, and tells those who watch of them. */
class PodServer {
  readonly requests: string[] = []
  /** Status codes that it answers the next lists and watches with, instead of what it has. */
  readonly refusals: { list: number[]; watch: number[] } = { list: [], watch: [] }
  readonly #pods = new Map<string, V1Pod>()
  readonly #watching = new Set<ServerResponse>()
  readonly #server = createServer((request, response) => {
    const isWatch = request.url?.includes('watch=true') === true
    this.requests.push(isWatch ? 'watch' : 'list')
    const refusal = this.refusals[isWatch ? 'watch' : 'list'].shift()
    response.writeHead(refusal ?? 200, { 'content-type': 'application/json' })
    if (refusal !== undefined) return response.end(JSON.stringify({ kind: 'Status', message: 'not now' }))
    if (!isWatch) return response.end(JSON.stringify(this.#list()))
    response.flushHeaders()
    this.#watching.add(response)
    return undefined
  })
  #version = 1

  async listen(): Promise<KubeConfig> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening')
    const { port } = this.#server.address() as AddressInfo
    const config = new KubeConfig()
    config.loadFromClusterAndUser(
      { name: 'here', server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
      { name: 'nobody' },
    )
    return config
  }

  #list(): object {
    const metadata = { resourceVersion: String(this.#version) }
    return { kind: 'PodList', apiVersion: 'v1', metadata, items: [...this.#pods.values()] }
  }

  /** Changes a pod; whoever watches is told unless that is not wanted. */
  set(name: string, phase: string, tells = true): void {
    const type = this.#pods.has(name) ? 'MODIFIED' : 'ADDED'
    const resourceVersion = String((this.#version += 1))
    const object = { metadata: { name, namespace: 'main', resourceVersion }, status: { phase } }
    this.#pods.set(name, object)
    if (tells) this.#tell({ type, object })
  }

  delete(name: string): void {
    const object = this.#pods.get(name)
    this.#pods.delete(name)
    this.#tell({ type: 'DELETED', object })
  }

  #tell(event: object): void {
    for (const each of this.#watching) each.write(`${JSON.stringify(event)}\n`)
  }

  /** Breaks every watch, as a load balancer does. */
  cut(): void {
    for (const each of this.#watching) each.destroy()
    this.#watching.clear()
  }

  close(): void {
    this.cut()
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

async function serve(): Promise<{ server: PodServer; config: KubeConfig }> {
  const server = new PodServer()
  ends.push(() => server.close())
  return { server, config: await server.listen() }
}

async function watch(config: KubeConfig): Promise<Watched<V1Pod>> {
  const core = config.makeApiClient(CoreV1Api)
  const watched = await Watched.open<V1Pod>(config, {
    path: '/api/v1/pods',
    labelSelector: 'a=b',
    list: (labelSelector) => core.listPodForAllNamespaces({ labelSelector }),
  })
  ends.push(() => watched[Symbol.dispose]())
  return watched
}

/** Waits for what the watch tells; a pause of its own would take longer than the test may. */
const untilPhase = (watched: Watched<V1Pod>, name: string, phase: string | undefined): Promise<string> =>
  awaitUntil(
    async () => {
      const seen = watched.get(name, 'main')?.status?.phase
      return seen === phase
        ? { done: true, value: String(seen) }
        : { done: false, seen: watched.fault ?? String(seen) }
    },
    {
      what: `${name} to be ${phase}`,
      budget: { name: 'test', ms: 8_000 },
      next: '-',
      everyMs: 60_000,
      wake: () => watched.changed(),
    },
  )

test('who waits is woken by each change, and nothing is asked for meanwhile', async () => {
  const { server, config } = await serve()
  server.set('a', 'Pending')
  const watched = await watch(config)
  expect(watched.get('a', 'main')?.status?.phase).toBe('Pending')
  const [running, made] = [untilPhase(watched, 'a', 'Running'), untilPhase(watched, 'b', 'Pending')]
  server.set('a', 'Running')
  server.set('b', 'Pending')
  await Promise.all([running, made])
  server.delete('a')
  await untilPhase(watched, 'a', undefined)
  expect(watched.all.map(({ metadata }) => metadata?.name)).toEqual(['b'])
  expect(server.requests).toEqual(['list', 'watch'])
})

test('a watch that broke is begun again, and what was missed is seen', async () => {
  const { server, config } = await serve()
  const watched = await watch(config)
  server.cut()
  server.set('a', 'Running', false)
  await untilPhase(watched, 'a', 'Running')
  server.set('a', 'Succeeded')
  await untilPhase(watched, 'a', 'Succeeded')
})

test('who may not watch, or not list for a moment, is told all the same', async () => {
  const { server, config } = await serve()
  server.refusals.list.push(500, 500)
  server.refusals.watch.push(403, 403)
  const watched = await watch(config)
  expect(watched.fault).toBe('HTTP 500: not now')
  server.set('a', 'Running', false)
  await untilPhase(watched, 'a', 'Running')
  expect(watched.fault).toBeUndefined()
})

test('what has been disposed of asks for nothing any more', async () => {
  const { server, config } = await serve()
  const watched = await watch(config)
  watched[Symbol.dispose]()
  server.refusals.list.push(500)
  const unready = await watch(config)
  unready[Symbol.dispose]()
  const before = server.requests.length
  server.cut()
  await sleep(1_200)
  expect(server.requests).toHaveLength(before)
})
