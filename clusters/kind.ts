import { once } from 'node:events'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:https'
import { join } from 'node:path'
import { dump, load } from 'js-yaml'
import { z } from 'zod'
import { awaitUntil } from '../helpers/await.ts'
import type { Look } from '../helpers/await.ts'
import { budgets } from '../helpers/budgets.ts'
import { SetupError } from '../helpers/errors.ts'
import { run } from '../helpers/exec.ts'
import type { Step } from '../helpers/progress.ts'
import { lookAtDocker } from './host/docker-look.ts'
import { creationFailed } from './kind-failure.ts'
import { kindConfigYaml } from './kind-config.ts'
import type { KindSpec } from './kind-config.ts'
import { readJournal } from './journal.ts'
import type { Lease } from './lease.ts'
import { tearDown, tracesOf } from './teardown.ts'

/** What {@link createCluster} needs besides the definition. */
export interface CreateOptions {
  lease: Lease
  /** Path of the kind binary. */
  kindBinary: string
  /** Node image; has to be there already or kind pulls it. */
  image: string
  /** Set where containers don't get CAP_SYS_RESOURCE; see `ensureDocker`. */
  shim?: string
  progress: Step
  signal?: AbortSignal
}

/** A cluster whose nodes have joined; they are NotReady until a CNI comes. */
export interface KindCluster {
  name: string
  /** Mode 0600; its context is the current one. */
  kubeconfig: string
  /** Containers of the nodes, which are also the node names: the control plane first. */
  nodes: string[]
}

/**
 * Creates a kind cluster without a CNI, on a Docker network of its own. When that fails, everything made so far is
 * deleted again; the lease stays the caller's to end by {@link deleteCluster}.
 *
 * @throws {SetupError} with the end of what kind printed
 */
export async function createCluster(spec: KindSpec, options: CreateOptions): Promise<KindCluster> {
  const { lease, signal } = options
  const name = lease.cluster
  // Before the journal names it: a cluster that is not ours must never get there.
  const docker = await lookAtDocker()
  if (docker.state !== 'answers') {
    throw new SetupError({
      what: 'Docker does not answer',
      seen: docker.seen,
      next: '`docker info` must answer',
    })
  }
  const taken = await tracesOf(name)
  if (taken.length > 0) {
    const next = 'choose another name'
    throw new SetupError({ what: `the cluster name ${name} is taken`, seen: taken.join(', '), next })
  }
  const { cgroupVersion } = docker.server
  const config = join(lease.dir, 'kind.yaml')
  await writeFile(config, kindConfigYaml(spec, { cgroupVersion, shim: options.shim }), { mode: 0o600 })
  await lease.record({ type: 'cluster', name })
  try {
    await runKind(config, options)
  } catch (cause) {
    // What can't be deleted now stays in the journal, and the caller's deleteCluster says so.
    await tearDown(name, { settled: false }).then(
      () => lease.record({ type: 'settled' }),
      () => undefined,
    )
    signal?.throwIfAborted()
    throw creationFailed(name, cause)
  }
  await lease.record({ type: 'settled' })
  return { name, kubeconfig: lease.kubeconfig, nodes: nodeNames(name, spec) }
}

/**
 * Deletes what the lease's journal names and ends the lease. Harmless when nothing is left to delete.
 *
 * @throws {BudgetExceeded} naming what is left; the lease stays for a later sweep
 */
export async function deleteCluster(
  lease: Lease,
  options: { onSeen?: (seen: string) => void } = {},
): Promise<void> {
  const { clusters, settled } = await readJournal(lease.dir)
  for (const name of clusters) await tearDown(name, { settled, ...options })
  await lease.release()
}

/** The names that kind gives: the first node of a role bears no number, the next one is number 2. */
export function nodeNames(cluster: string, spec: KindSpec): string[] {
  const named = (role: string, count: number): string[] =>
    Array.from({ length: count }, (_, index) => `${cluster}-${role}${index === 0 ? '' : index + 1}`)
  return [...named('control-plane', spec.nodes.controlPlane), ...named('worker', spec.nodes.workers)]
}

/**
 * Unpacks an image on a node before its first pod asks for it: 4 s for one of 170 MB, which nobody waits for while kind
 * is still joining nodes. Only a head start: what fails here is done, or reported, when the pod starts.
 */
export async function unpackImage(node: string, image: string, signal: AbortSignal): Promise<void> {
  const ctr = ['docker', 'exec', node, 'ctr', '-n', 'k8s.io', 'images']
  const target = `/run/unpack-${createHash('sha256').update(image).digest('hex').slice(0, 8)}`
  const options = { timeoutMs: budgets.nodeCommandMs.ms, allowFailure: true, signal }
  try {
    await run(['docker', 'exec', node, 'mkdir', '-p', target], options)
    // ctr has no command that only unpacks.
    await run([...ctr, 'mount', image, target], options)
    await run([...ctr, 'unmount', '--rm', target], options)
  } catch {
    // Too slow or ended by us.
  }
}

/** A line of kind's report, such as " • Preparing nodes 📦 📦  ...", as plain words. */
export function phaseOf(line: string): string | undefined {
  const phase = /^\s*[•✓✗] (?<words>.*)$/u.exec(line)?.groups?.['words']
  if (phase === undefined) return undefined
  const words = phase.replace(/[^\x20-\x7e]+/g, '').replace(/[\s.]+$/, '')
  return words === '' ? undefined : words
}

async function runKind(config: string, options: CreateOptions): Promise<void> {
  const { lease, signal } = options
  const argv = ['create', 'cluster', '--name', lease.cluster, '--config', config, '--image', options.image]
  // --retain: on failure we delete, by a way that doesn't depend on kind's staying alive.
  await run([options.kindBinary, ...argv, '--kubeconfig', lease.kubeconfig, '--retain'], {
    env: {
      ...lease.env,
      KUBECONFIG: lease.kubeconfig,
      KIND_EXPERIMENTAL_PROVIDER: 'docker',
      // The shared network "kind" is created by a race of everybody (kind issue 3456) and deleted by nobody.
      KIND_EXPERIMENTAL_DOCKER_NETWORK: lease.cluster,
    },
    timeoutMs: budgets.clusterCreateMs.ms,
    onLine: (line) => {
      const phase = phaseOf(line)
      if (phase !== undefined) options.progress.update(phase)
    },
    ...(signal === undefined ? {} : { signal }),
  })
}

const kubeconfigSchema = z.looseObject({
  clusters: z.tuple([
    z.looseObject({
      cluster: z.looseObject({ server: z.string(), 'certificate-authority-data': z.base64() }),
    }),
  ]),
  users: z.tuple([
    z.looseObject({
      user: z.looseObject({ 'client-certificate-data': z.base64(), 'client-key-data': z.base64() }),
    }),
  ]),
})

/**
 * A kubeconfig as soon as the control plane obeys its administrator, while kind still joins the workers: the CNI can
 * be applied some 10 s earlier. Call it beside {@link createCluster}, and abort it when that fails.
 *
 * @returns path of a file of mode 0600 in the lease's directory
 * @throws {BudgetExceeded} when the control plane does not answer
 */
export async function earlyKubeconfig(lease: Lease, options: { signal?: AbortSignal } = {}): Promise<string> {
  const node = `${lease.cluster}-control-plane`
  const signal = options.signal === undefined ? {} : { signal: options.signal }
  const wait = { budget: budgets.clusterCreateMs, next: `look into \`docker logs ${node}\``, ...signal }
  const docker = async (...args: string[]): Promise<string> =>
    (await run(['docker', ...args], { timeoutMs: budgets.dockerAnswerMs.ms, ...signal })).stdout
  const config = await awaitUntil(
    async () => {
      const [port, text] = [
        await docker('port', node, '6443/tcp'),
        await docker('exec', node, 'cat', adminConf),
      ]
      return { done: true, value: kubeconfigFor(text, `https://${port.split('\n')[0]}`) }
    },
    { what: `kubeadm to write ${adminConf} on ${node}`, everyMs: 500, ...wait },
  )
  await awaitUntil(async () => await obeysAdministrator(config), {
    what: `the control plane of ${lease.cluster} to obey its administrator`,
    everyMs: 100,
    ...wait,
  })
  const path = join(lease.dir, 'early.kubeconfig')
  await writeFile(path, dump(config), { mode: 0o600 })
  return path
}

const adminConf = '/etc/kubernetes/admin.conf'

type Kubeconfig = z.output<typeof kubeconfigSchema>

/** The node's own kubeconfig with the API server's address as seen from here. */
export function kubeconfigFor(text: string, server: string): Kubeconfig {
  const config = kubeconfigSchema.parse(load(text))
  config.clusters[0].cluster.server = server
  return config
}

/**
 * Asks for an object that only the administrator may see. Health says nothing about that: kubeadm grants him his role
 * some time after the API server is ready.
 */
async function obeysAdministrator(config: Kubeconfig): Promise<Look<undefined>> {
  const [{ cluster }] = config.clusters
  const [{ user }] = config.users
  const decoded = (text: string): Buffer => Buffer.from(text, 'base64')
  const request = get(`${cluster.server}/api/v1/namespaces/kube-system`, {
    ca: decoded(cluster['certificate-authority-data']),
    cert: decoded(user['client-certificate-data']),
    key: decoded(user['client-key-data']),
    agent: false,
    timeout: budgets.apiAnswerMs.ms,
  })
  request.once('timeout', () => request.destroy(new Error('the API server does not answer')))
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.on('error', () => undefined).resume()
  const { statusCode } = response
  return statusCode === 200
    ? { done: true, value: undefined }
    : { done: false, seen: `HTTP status ${statusCode}` }
}
