import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { keptClusters, readMade } from '../clusters/kept.ts'
import { sleep } from '../helpers/await.ts'
import { connectKube } from '../helpers/kube.ts'
import { readRun } from '../reports/model.ts'
import { line } from './stats.ts'

/**
 * A run with --keep is killed with SIGKILL in the middle of its checks. What it left is not gone on with while it is not
 * as it was made, each field named; then it is, to the end; and at last without --keep, after which nothing is left.
 */

const cluster = process.argv[2] ?? 'flannel'
const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'cni-conformance-resume-'))

interface Started {
  child: ChildProcess
  ended: Promise<{ code: number | null; said: string }>
}

function start(name: string, ...argv: string[]): Started {
  const args = [main, 'test', ...argv, '-q', '--report-dir', join(folder, name)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]).then(
    ([out, err, [code]]) => ({ code: code as number | null, said: `${out}${err}` }),
  )
  return { child, ended }
}

const before = await keptClusters()
const first = start('first', cluster, '--keep')
// The light checks are over: those with steps are under way.
for (;;) {
  const journal = await readFile(join(folder, 'first', 'events.jsonl'), 'utf8').catch(() => '')
  if (journal.includes('"name":"load"')) break
  if (first.child.exitCode !== null) throw new Error((await first.ended).said)
  await sleep(50)
}
await sleep(3_000)
first.child.kill('SIGKILL')
await first.ended
// The reaper has had its time.
await sleep(5_000)
const [name, dir] = [...(await keptClusters())].find(([each]) => !before.has(each)) ?? []
line('kill -9 of a run with --keep, among its checks with steps', name ?? 'GONE', 'kept')
if (name === undefined || dir === undefined) throw new Error('nothing was kept')

const { definition, handle } = await readMade(dir)
const kube = connectKube(handle.kubeconfig)
const namespace = handle.namespaces.main
const foreign = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'foreign', namespace },
  spec: { ports: [{ port: 1 }] },
}
await kube.apply([foreign])
const changed = join(folder, 'changed.yaml')
const workers = definition.nodes.workers + 1
await writeFile(changed, JSON.stringify({ ...definition, nodes: { ...definition.nodes, workers } }))
const refused = await start('refused', changed, '--on', name).ended
const named = [
  `nodes.workers: cluster has ${workers - 1}, file says ${workers}`,
  `services ${namespace}/foreign is not ours`,
]
const { seen = 'nothing' } = (await readRun(join(folder, 'refused', 'run.json'))).legs[0]?.setupFailure ?? {}
line('  as another definition, with a foreign Service: exit code', String(refused.code), '3')
line('  each field named', named.every((each) => seen.includes(each)) ? 'yes' : seen, 'yes')
await kube.core.deleteNamespacedService({ name: 'foreign', namespace })

const again = await start('again', '--on', name, '--keep').ended
const removed = /removed what an earlier run left: (.*)/.exec(again.said)?.[1]
line('  gone on with, --keep: exit code', String(again.code), '0')
line('  removed before', removed ?? 'nothing', '-')
if (again.code !== 0) console.log(again.said)
const last = await start('last', cluster, '--on', name, '--check', 'dns/**').ended
line('  once more, without --keep: exit code', String(last.code), '0')
line('  left', (await keptClusters()).has(name) ? name : 'nothing', 'nothing')
if (last.code !== 0) console.log(last.said)
await rm(folder, { recursive: true })
