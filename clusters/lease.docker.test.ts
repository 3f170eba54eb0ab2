import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { awaitUntil, sleep } from '../helpers/await.ts'
import { budgets } from '../helpers/budgets.ts'
import { run } from '../helpers/exec.ts'
import { silentProgress } from '../helpers/progress.ts'
import { createCluster, deleteCluster } from './kind.ts'
import { newClusterName, openLease } from './lease.ts'
import { clean, listLeases, sweep } from './sweep.ts'
import { tearDown } from './teardown.ts'
import {
  buildSleeper,
  fakeKindScript,
  makeForeignCluster,
  sleeperImage,
  tracesLike,
} from './testing/fake-kind.ts'

let state = ''
let kind = ''
const root = (): string => join(state, 'cni-conformance', 'leases')

beforeAll(async () => {
  await buildSleeper()
  state = await mkdtemp(join(tmpdir(), 'cnic-state-'))
  kind = join(state, 'kind')
  await writeFile(kind, fakeKindScript(3))
  await chmod(kind, 0o755)
  process.env['XDG_STATE_HOME'] = state
})
afterEach(async () => {
  await clean({ all: true })
})
afterAll(async () => {
  delete process.env['XDG_STATE_HOME']
  await rm(state, { recursive: true })
  await run(['docker', 'image', 'rm', '-f', sleeperImage])
})

/** Three nodes, the server outside, a network. */
const ofOne = 5

interface Owner {
  process: ChildProcess
  cluster: string
  said(word: string): Promise<void>
  ended: Promise<unknown>
}

function startOwner(
  then: 'hold' | 'keep' | 'delete' | 'leave',
  cluster = newClusterName('lease-test'),
): Owner {
  const argv = [join(import.meta.dirname, 'testing', 'owner.ts'), kind, cluster, then]
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const said = (word: string): Promise<void> =>
    awaitUntil(
      async () => (output.includes(word) ? { done: true, value: undefined } : { done: false, seen: output }),
      {
        what: `the owner to say ${word}`,
        budget: budgets.clusterDeleteMs,
        next: 'see its output',
        everyMs: 10,
      },
    )
  return { process: child, cluster, said, ended: once(child, 'exit') }
}

/** Waits for the reaper's work: no trace, no lease. */
async function gone(cluster: string): Promise<void> {
  await awaitUntil(
    async () => {
      const seen = [...(await tracesLike(cluster)), ...(await readdir(root()).catch(() => []))]
      return seen.length === 0 ? { done: true, value: undefined } : { done: false, seen: seen.join(', ') }
    },
    { what: `${cluster} to be reaped`, budget: budgets.clusterDeleteMs, next: 'look at the reaper' },
  )
}

test('a run that ends well leaves nothing, and its reaper ends', async () => {
  const owner = startOwner('delete')
  await owner.said('deleted')
  await owner.ended
  expect(await tracesLike(owner.cluster)).toEqual([])
  expect(await readdir(root())).toEqual([])
  const reaper = `reaper.ts ${root()} ${owner.process.pid}`
  await awaitUntil(
    async () => {
      const { stdout } = await run(['ps', '-eo', 'args'])
      return stdout.includes(reaper) ? { done: false, seen: 'it runs' } : { done: true, value: undefined }
    },
    { what: 'the reaper to end', budget: budgets.clusterDeleteMs, next: 'kill it' },
  )
})

test.each(['SIGKILL', 'SIGTERM', 'SIGHUP', 'SIGINT'] as const)(
  'the reaper deletes when the run ends by %s',
  async (signal) => {
    const owner = startOwner('hold')
    await owner.said('created')
    expect(await tracesLike(owner.cluster)).toHaveLength(ofOne)
    owner.process.kill(signal)
    await gone(owner.cluster)
  },
)

test('the reaper deletes when the run forgets to', async () => {
  const owner = startOwner('leave')
  await owner.ended
  await gone(owner.cluster)
})

test('a run that is killed at any moment of creation or deletion leaves nothing', async () => {
  for (let afterMs = 0; afterMs <= 2_800; afterMs += 200) {
    const owner = startOwner('delete')
    await owner.said('leased')
    await sleep(afterMs)
    owner.process.kill('SIGKILL')
    await owner.ended
    await gone(owner.cluster)
  }
})

test('without a reaper the next sweep deletes, and two at once do no harm', async () => {
  const owner = startOwner('hold')
  await owner.said('created')
  await killReaper(owner)
  owner.process.kill('SIGKILL')
  await owner.ended
  const results = await Promise.all([sweep(), sweep()])
  expect(results.flatMap(({ left }) => left)).toEqual([])
  expect(results.flatMap(({ removed }) => removed)).toContain(owner.cluster)
  expect(await tracesLike(owner.cluster)).toEqual([])
  expect(await readdir(root())).toEqual([])
})

test('a living run is nobody else’s business, unless somebody insists', async () => {
  const owner = startOwner('hold')
  await owner.said('created')
  expect(await sweep()).toEqual({ removed: [], kept: [], left: [] })
  expect(await clean({ all: false })).toEqual({ removed: [], kept: [], left: [] })
  expect(await tracesLike(owner.cluster)).toHaveLength(ofOne)
  expect(await clean({ all: true })).toMatchObject({ removed: [owner.cluster] })
  owner.process.kill('SIGKILL')
  await owner.ended
})

test('a kept cluster outlives run, reaper and sweep; clean deletes it', async () => {
  const owner = startOwner('keep')
  await owner.said('created')
  owner.process.kill('SIGKILL')
  await owner.ended
  await sleep(1_000)
  expect(await sweep()).toEqual({ removed: [], kept: [owner.cluster], left: [] })
  expect(await tracesLike(owner.cluster)).toHaveLength(ofOne)
  expect(await clean({ all: false })).toMatchObject({ removed: [owner.cluster] })
  expect(await tracesLike(owner.cluster)).toEqual([])
})

test("somebody else's cluster with a similar name stays, and so does one that had our name first", async () => {
  const owner = startOwner('hold')
  const foreign = `${owner.cluster}-2`
  await makeForeignCluster(foreign)
  try {
    await owner.said('created')
    owner.process.kill('SIGKILL')
    await owner.ended
    await awaitUntil(
      async () =>
        (await listLeases()).length === 0
          ? { done: true, value: undefined }
          : { done: false, seen: 'a lease' },
      { what: 'the reaper', budget: budgets.clusterDeleteMs, next: 'look at it' },
    )
    expect(await tracesLike(owner.cluster)).toEqual([foreign, `${foreign}-control-plane`])
    const lease = await openLease({ cluster: foreign, purpose: 'a test' })
    const options = { lease, kindBinary: kind, image: sleeperImage, progress: silentProgress }
    await expect(createCluster(spec, options)).rejects.toThrow(`the cluster name ${foreign} is taken`)
    await deleteCluster(lease)
    expect(await tracesLike(foreign)).toEqual([foreign, `${foreign}-control-plane`])
  } finally {
    await tearDown(foreign, { settled: true })
  }
})

test('a creation that fails leaves nothing and says why', async () => {
  const broken = join(state, 'broken-kind')
  await writeFile(broken, `${fakeKindScript(1)}\necho 'ERROR: no space left on device' >&2; exit 1\n`)
  await chmod(broken, 0o755)
  const lease = await openLease({ cluster: newClusterName('lease-test'), purpose: 'a test' })
  const options = { lease, kindBinary: broken, image: sleeperImage, progress: silentProgress }
  await expect(createCluster(spec, options)).rejects.toThrow(
    /could not create[^]*no space left[^]*next: free some disk/,
  )
  expect(await tracesLike(lease.cluster)).toEqual([])
  await deleteCluster(lease)
  expect(await readdir(root())).toEqual([])
})

test('a creation that is called off leaves nothing', async () => {
  const lease = await openLease({ cluster: newClusterName('lease-test'), purpose: 'a test' })
  const slow = join(state, 'slow-kind')
  await writeFile(slow, `${fakeKindScript(2)}\nsleep 60\n`)
  await chmod(slow, 0o755)
  const options = { lease, kindBinary: slow, image: sleeperImage, progress: silentProgress }
  const creating = createCluster(spec, { ...options, signal: AbortSignal.timeout(1_500) })
  await expect(creating).rejects.toThrow(/timeout|aborted/i)
  expect(await tracesLike(lease.cluster)).toEqual([])
  await deleteCluster(lease)
})

test('a name is leased once; half-made leases of dead processes are swept', async () => {
  const cluster = newClusterName('lease-test')
  const lease = await openLease({ cluster, purpose: 'a test' })
  await expect(openLease({ cluster, purpose: 'a test' })).rejects.toThrow(
    `the cluster name ${cluster} is taken`,
  )
  expect(await readdir(root())).toEqual([cluster])
  await mkdir(join(root(), '.new-999999999-abcd'))
  await sweep()
  expect(await readdir(root())).toEqual([cluster])
  await lease.release()
})

test('nothing came late either', async () => {
  expect(await tracesLike('cnic-lease-test')).toEqual([])
})

const spec = {
  kubernetes: 'v1.37.0',
  nodes: { controlPlane: 1, workers: 2 },
  network: {
    ipFamily: 'ipv4',
    podSubnet: '10.244.0.0/16',
    serviceSubnet: '10.96.0.0/16',
    kubeProxy: 'iptables',
  },
} as const

async function killReaper(owner: Owner): Promise<void> {
  const { stdout } = await run(['ps', '-eo', 'pid,args'])
  const line = stdout.split('\n').find((each) => each.includes(`reaper.ts ${root()} ${owner.process.pid}`))
  if (line === undefined) throw new Error('there is no reaper')
  process.kill(Number.parseInt(line, 10), 'SIGKILL')
}
