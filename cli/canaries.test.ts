import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { capturePaths, writeCaptures } from '../helpers/capture/capture.ts'
import { verdictSchema } from '../helpers/check-probes.ts'
import { collectEvidence } from '../helpers/evidence.ts'
import { connectKube, type Kube } from '../helpers/kube.ts'
import type { Outcome } from '../helpers/observation.ts'
import { makePlan } from '../helpers/plan/plan.ts'
import { observe } from '../helpers/verdict.ts'
import { healthyWorld } from '../helpers/world.testdata.ts'
import { openJournal } from '../reports/journal.ts'
import {
  crossNodeDown,
  deadLegEvents,
  legEvents,
  outcomesOf,
  runStarted,
  runWith,
} from '../reports/run.testdata.ts'
import { renderRun } from '../reports/terminal.ts'
import { writeReports } from '../reports/write.ts'
import { checks as catalogue } from '../suites/catalogue.ts'
import { plantCanaries, type Canary } from './testing/canaries.ts'

// Secrets in everything that evidence and reports are made of, behind an API server that hands them out.

const { canaries, objects } = plantCanaries()
const textOf = (place: Canary['place']): string =>
  canaries.flatMap((canary) => (canary.place === place ? [canary.text] : [])).join('\n')

/** Paths that were asked for. */
const asked: string[] = []
const pod = {
  metadata: { name: 'agent-1', namespace: 'kube-system' },
  spec: { nodeName: 'worker', containers: [{ name: 'agent' }] },
  status: {},
}

function answerTo(path: string): unknown {
  if (path.endsWith('/log')) return textOf('log')
  if (path.endsWith('/events'))
    return {
      items: canaries
        .filter(({ place }) => place === 'event')
        .map(({ text }) => ({ metadata: {}, involvedObject: { kind: 'Pod', name: 'p' }, message: text })),
    }
  if (path.endsWith('/pods')) return { items: [pod] }
  if (path === '/apis/example.org/v1')
    return { resources: [{ kind: 'Thing', name: 'things', namespaced: true }] }
  if (path.endsWith('/things')) return { items: objects }
  return { items: [] }
}

let server: Server
let kube: Kube
let folder = ''

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'canaries-'))
  server = createServer((request, response) => {
    const path = (request.url ?? '').replace(/\?.*$/, '')
    asked.push(path)
    const body = answerTo(path)
    response.setHeader('content-type', typeof body === 'string' ? 'text/plain' : 'application/json')
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  // What runs over exec says its canaries, too.
  const sockets = new WebSocketServer({ server, handleProtocols: () => 'v5.channel.k8s.io' })
  sockets.on('connection', (socket) => {
    socket.send(Buffer.concat([Buffer.of(1), Buffer.from(textOf('program'))]))
    socket.send(Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify({ status: 'Success' }))]))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const kubeconfig = join(folder, 'kubeconfig')
  const { port } = server.address() as AddressInfo
  await writeFile(
    kubeconfig,
    JSON.stringify({
      clusters: [
        { name: 'c', cluster: { server: `http://127.0.0.1:${port}`, 'insecure-skip-tls-verify': true } },
      ],
      users: [{ name: 'u', user: {} }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      'current-context': 'x',
    }),
  )
  kube = connectKube(kubeconfig)
})
afterAll(async () => {
  server.closeAllConnections()
  server.close()
  await rm(folder, { recursive: true })
})

/** Every failed check says the canaries of observations. */
const outcomes: Outcome[] = outcomesOf(() => ({
  verdict: 'wrong-answer',
  detail: textOf('observation'),
})).map((outcome) => ({ ...outcome, own: true }))

/** The text of every file below a folder, with its path. */
async function filesBelow(top: string): Promise<{ path: string; text: string }[]> {
  const names = await readdir(top, { recursive: true })
  const files = await Promise.all(
    names.map(async (name) => {
      const path = join(top, name)
      return (await stat(path)).isFile() ? [{ path: name, text: await readFile(path, 'utf8') }] : []
    }),
  )
  return files.flat()
}

const leaksIn = (files: readonly { path: string; text: string }[]): string[] =>
  files.flatMap(({ path, text }) =>
    canaries.filter(({ secret }) => text.includes(secret)).map((canary) => `${path}: ${canary.text}`),
  )

test('there are fifty of them, no two alike', () => {
  expect(new Set(canaries.map(({ secret }) => secret)).size).toBeGreaterThanOrEqual(50)
})

test('none is in the evidence, and no Secret is ever asked for', async () => {
  const evidence = join(folder, 'evidence')
  await collectEvidence(
    {
      kube,
      nodes: ['worker'],
      world: healthyWorld(),
      runOnNode: () => Promise.resolve(textOf('node')),
      cni: {
        pods: { namespace: 'kube-system', labelSelector: 'app=agent', container: 'agent' },
        evidence: {
          commands: { status: ['status'] },
          objects: [{ apiVersion: 'example.org/v1', kind: 'Thing' }],
        },
      },
    },
    outcomes,
    evidence,
  )
  const world = healthyWorld()
  const ask = () => Promise.reject(new Error('nobody asks'))
  const paths = catalogue.filter(({ id }) => id === 'pod-to-pod/cross-node/tcp')
  const silent = { result: () => undefined, fault: () => undefined }
  const failed = outcomes.slice(0, 1).map((outcome) => ({
    ...outcome,
    check: paths[0]?.id ?? '',
    observations: makePlan(paths, world).probes.map((each) => observe(each, silent, world)),
  }))
  const captures = await capturePaths({ world, ask }, paths, failed)
  await writeCaptures(captures, (check) => join(evidence, check))
  const files = await filesBelow(evidence)
  expect(leaksIn(files)).toEqual([])
  expect(asked.filter((path) => /secrets/i.test(path))).toEqual([])
  // It was all there to be found: every source has been read, and what is no secret is still there.
  const all = files.map(({ text }) => text).join('\n')
  for (const word of [
    'accepted',
    'Liveness probe failed',
    'ExecStart=/usr/bin/kubelet',
    'KVStore: etcd',
    'kind: Thing',
  ])
    expect(all).toContain(word)
  for (const { text } of files.filter(({ path }) => path.endsWith('observations.json')))
    expect(() => JSON.parse(text) as unknown).not.toThrow()
})

test('docs/read-a-failure.md names files that are collected, and what a report says', async () => {
  const page = await readFile(join(import.meta.dirname, '..', 'docs', 'read-a-failure.md'), 'utf8')
  const rows = [...page.matchAll(/^\| +(`[^|]+?) +\|/gm)].map(([, cell]) => cell ?? '')
  const named = rows.flatMap((cell) => [...cell.matchAll(/[\w-]+\.(?:txt|log|json)/g)].map(([name]) => name))
  expect(named.length).toBeGreaterThan(12)
  const collected = new Set((await filesBelow(join(folder, 'evidence'))).map(({ path }) => basename(path)))
  expect(named.filter((name) => !collected.has(name))).toEqual([])
  const said = (text: string): string => text.replaceAll(/\s+/g, ' ')
  const run = runWith(outcomesOf(crossNodeDown))
  const report = said(renderRun(run, { stream: process.stderr, columns: 10_000 }))
  const [, likely = ''] = /^likely +([\s\S]*?)\n +- /m.exec(page) ?? []
  expect(report).toContain(said(likely))
  for (const verdict of verdictSchema.exclude(['reached']).options)
    expect(page).toContain(`| \`${verdict}\` `)
})

test('none is in a report of any kind', async () => {
  const reports = await mkdtemp(join(folder, 'reports-'))
  const journal = openJournal(join(reports, 'events.jsonl'))
  journal.emit(runStarted('flannel', 'calico'))
  for (const event of legEvents('flannel', outcomes)) journal.emit(event)
  const failure = { phase: 'create', what: textOf('failure'), seen: textOf('failure'), next: 'look' }
  for (const event of deadLegEvents('calico', failure)) journal.emit(event)
  const run = journal.run()
  writeReports(run, reports)
  journal.close()
  const files = await filesBelow(reports)
  expect(files.length).toBeGreaterThanOrEqual(5)
  const terminal = renderRun(run, { stream: process.stderr, columns: 1_000 })
  expect(leaksIn([...files, { path: 'terminal', text: terminal }])).toEqual([])
})
