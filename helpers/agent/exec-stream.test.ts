import { KubeConfig } from '@kubernetes/client-node'
import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingMessage } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocketServer, type WebSocket } from 'ws'
import { sleep } from '../await.ts'
import { UsageError } from '../errors.ts'
import { AgentClient } from './client.ts'
import { execOnce, openExecStream } from './exec-stream.ts'
import { encodeLine } from './frames.ts'
import { protocolVersion } from './protocol.ts'

/**
 * Against a websocket server that speaks the API server's side of v5.channel.k8s.io: what a healthy cluster never
 * shows. A real one is asked by the suites.
 */

const open: (() => void)[] = []
afterEach(() => {
  for (const close of open.splice(0)) close()
})

type Serve = (socket: WebSocket, request: IncomingMessage) => void

/** A kubeconfig for an address of this machine. */
function configFor(port: number): KubeConfig {
  const config = new KubeConfig()
  config.loadFromOptions({
    clusters: [{ name: 'c', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
    users: [{ name: 'u' }],
    contexts: [{ name: 'x', cluster: 'c', user: 'u' }],
    currentContext: 'x',
  })
  return config
}

async function apiServer(serve: Serve, protocol = 'v5.channel.k8s.io'): Promise<KubeConfig> {
  const http = createHttpServer((_request, response) => response.writeHead(404).end())
  const sockets = new WebSocketServer({ server: http, handleProtocols: () => protocol })
  sockets.on('connection', serve)
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  open.push(() => {
    for (const client of sockets.clients) client.terminate()
    http.close()
  })
  return configFor((http.address() as AddressInfo).port)
}

const message = (channel: number, text: string): Buffer =>
  Buffer.concat([Buffer.of(channel), Buffer.from(text)])
const success = message(3, JSON.stringify({ status: 'Success' }))
const exitCode = (code: number): Buffer =>
  message(
    3,
    JSON.stringify({
      status: 'Failure',
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
    }),
  )

const budget = (ms: number) => ({ name: 'testMs', ms })
const runOnce = (config: KubeConfig, ms = 5_000, argv = ['ls', '-l']) =>
  execOnce(config, 'main', 'pod-a', 'agent', argv, budget(ms))

test('both outputs and the exit code come back; the command goes as separate arguments', async () => {
  let url = ''
  const config = await apiServer((socket, request) => {
    url = request.url ?? ''
    socket.send(message(1, 'out'))
    socket.send(message(2, 'err'))
    socket.send(message(1, 'put'))
    socket.send(exitCode(3))
  })
  expect(await runOnce(config, 5_000, ['sh', '-c', 'a & b'])).toEqual({
    stdout: 'output',
    stderr: 'err',
    exitCode: 3,
  })
  expect(url).toContain('/namespaces/main/pods/pod-a/exec?')
  expect(url).toContain('command=sh&command=-c&command=a%20%26%20b')
})

test('a long output arrives whole', async () => {
  const config = await apiServer((socket) => {
    for (let i = 0; i < 200; i += 1) socket.send(message(1, 'x'.repeat(20_000)))
    socket.send(success)
  })
  const { stdout, exitCode } = await runOnce(config)
  expect([stdout.length, exitCode]).toEqual([4_000_000, 0])
})

test.each<[string, Serve, RegExp]>([
  [
    'closed without a status',
    (socket) => {
      socket.send(message(1, 'half'))
      socket.close(1000)
    },
    /closed before the command ended \(1000/,
  ],
  [
    'cut',
    (socket) => {
      socket.send(message(1, 'half'))
      setTimeout(() => socket.terminate(), 50)
    },
    /closed before the command ended \(1006/,
  ],
  [
    'a status that is not JSON',
    (socket) => {
      socket.send(message(1, 'half'))
      socket.send(message(3, '{'))
    },
    /unreadable message on channel 3/,
  ],
  [
    'an unknown channel',
    (socket) => {
      socket.send(message(1, 'half'))
      socket.send(message(9, 'x'))
    },
    /unreadable message on channel 9/,
  ],
  [
    'a close signal for stdout',
    (socket) => {
      socket.send(message(1, 'half'))
      socket.send(Buffer.of(255, 1))
    },
    /channel 255/,
  ],
  [
    'silence',
    (socket) => socket.send(message(1, 'half')),
    /ls in main\/pod-a\/agent did not end within 400 ms \(budget testMs\)/,
  ],
  [
    'a failure without exit code',
    (socket) => {
      socket.send(message(1, 'half'))
      socket.send(message(3, '{"status":"Failure","message":"container not found"}'))
    },
    /container not found/,
  ],
])('%s: no exit code, the reason, and what was printed', async (_name, serve, fault) => {
  const config = await apiServer(serve)
  expect(await runOnce(config, 400)).toEqual({
    stdout: 'half',
    stderr: '',
    exitCode: undefined,
    fault: expect.stringMatching(fault) as string,
  })
  expect(process.stdout.writable).toBe(true)
})

test('a server that refuses, one that is not there, one that never answers', async () => {
  const http = createHttpServer().on('upgrade', (_request, socket) =>
    socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'),
  )
  const dumb = createServer()
  for (const server of [http, dumb]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    open.push(() => server.close())
  }
  const ask = async (server: typeof dumb | typeof http) =>
    (await runOnce(configFor((server.address() as AddressInfo).port), 300)).fault
  expect(await ask(http)).toMatch(/exec into main\/pod-a\/agent could not be opened: .*403/)
  expect(await ask(dumb)).toMatch(/within 300 ms|timed out/)
  expect((await runOnce(configFor(1), 2_000)).fault).toMatch(/ECONNREFUSED/)
})

test.each([
  ['main/../x', 'pod', 'agent'],
  ['main', 'pod?x=1', 'agent'],
  ['main', 'pod', 'agent&x'],
  ['', 'pod', 'agent'],
  ['Main', 'pod', 'agent'],
])('names that are none are refused before anything is sent: %s %s %s', async (namespace, pod, container) => {
  await expect(execOnce(configFor(1), namespace, pod, container, ['ls'], budget(100))).rejects.toThrow(
    UsageError,
  )
  await expect(openExecStream(configFor(1), { namespace, pod, container, command: ['ls'] })).rejects.toThrow(
    UsageError,
  )
})

const target = { namespace: 'main', pod: 'pod-a', container: 'agent', command: ['node', 'main.mjs', 'probe'] }
const helloLine = encodeLine({
  seq: 0,
  type: 'hello',
  podUid: 'u',
  pod: 'main/pod-a',
  node: 'n',
  version: protocolVersion,
  sockets: 9,
})

/** Answers each plan with `done`; collects what came on stdin. */
function agentSide(received: Buffer[]): Serve {
  return (socket) => {
    let seq = 1
    socket.send(message(1, helloLine.slice(0, 30)))
    socket.send(message(1, helloLine.slice(30)))
    socket.on('message', (data: Buffer) => {
      received.push(data)
      if (data.readUInt8(0) === 0 && data.toString().endsWith('\n')) {
        socket.send(
          message(
            1,
            encodeLine({
              seq: seq++,
              type: 'results',
              batch: 1,
              results: [{ id: 1, end: 'answered', attempts: 1, ms: 1 }],
            }),
          ),
        )
        socket.send(
          message(
            1,
            encodeLine({ seq: seq++, type: 'done', batch: 1, count: 1, waited: { fromMs: 0, toMs: 0 } }),
          ),
        )
      }
    })
  }
}

test('a client over an exec stream: hello, a batch, and a close that ends stdin', async () => {
  const received: Buffer[] = []
  const config = await apiServer(agentSide(received))
  const client = await AgentClient.open(await openExecStream(config, target))
  const batch = await client.runPlan([{ id: 1, kind: 'facts', timeoutMs: 100 }])
  expect([batch.complete, batch.results.size]).toEqual([true, 1])
  client.close()
  await sleep(100)
  expect(received.at(-1)).toEqual(Buffer.of(255, 0))
})

test('a large plan is cut into messages and arrives whole', async () => {
  const received: Buffer[] = []
  const config = await apiServer((socket) => {
    socket.send(message(1, helloLine))
    socket.on('message', (data: Buffer) => received.push(data))
  })
  const transport = await openExecStream(config, target)
  const text = `${'é'.repeat(700_000)}\n`
  transport.write(text)
  const bytes = (): number => received.reduce((sum, { length }) => sum + length - 1, 0)
  while (bytes() < Buffer.byteLength(text)) await sleep(10)
  expect(Buffer.concat(received.map((data) => data.subarray(1))).toString()).toBe(text)
  expect(Math.max(...received.map(({ length }) => length))).toBeLessThan(70_000)
  transport.close()
})

test('an exec stream that ends says how, with the end of stderr', async () => {
  const config = await apiServer((socket) => {
    socket.send(message(1, helloLine))
    socket.on('message', () => {
      socket.send(message(2, 'node: out of memory\n'))
      socket.send(exitCode(137))
    })
  })
  const client = await AgentClient.open(await openExecStream(config, target))
  const { fault } = await client.runPlan([{ id: 1, kind: 'facts', timeoutMs: 100 }])
  expect(fault).toBe(
    'exec stream of main/pod-a/agent: the agent ended with exit code 137: node: out of memory',
  )
})

test('a stream that cannot be opened is an error with the name of the container', async () => {
  await expect(openExecStream(configFor(1), target, budget(1_000))).rejects.toThrow(
    /main\/pod-a\/agent could not be opened: .*ECONNREFUSED/,
  )
})
