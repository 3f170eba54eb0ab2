import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { AuthorizationV1Api, RbacAuthorizationV1Api, type KubernetesObject } from '@kubernetes/client-node'
import { dump, load, loadAll } from 'js-yaml'
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest'
import { readContext, type GivenContext } from '../clusters/given/connection.ts'
import { covers, permissionsFor } from '../clusters/given/permissions.ts'
import { rbacObjects } from '../clusters/given/rbac.ts'
import { run as runProgram } from '../helpers/exec.ts'
import { isRunNeed } from '../helpers/check-rules.ts'
import { runLabel } from '../helpers/fixture-pods.ts'
import { connectKube, type Kube } from '../helpers/kube.ts'
import { readLegHandle } from '../helpers/leg-handle.ts'
import { readRun, type Run } from '../reports/model.ts'
import { checks } from './catalogue.ts'
import { readNodes } from '../helpers/world.ts'
import { startAuditedApi, type AuditedApi, type AuditEvent } from './testing/audited-api.ts'

/** `test --kubeconfig` on the cluster of the suites, as if it were somebody else's. */

const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
/** Namespace of the runs that borrow one. */
const borrowed = 'net-check'
/** Name of all that `rbac` prints. */
const role = { name: 'cni-conformance' }
/** Three runs at once take 25 s; on a busy machine several times as long. */
const timeout = 150_000

/** As much of a definition as somebody may write: no features, so that policies must have no effect, or they have it. */
const definition = (features: readonly string[]): string =>
  `apiVersion: cni-conformance/v1\nname: guest\nfeatures: [${features.join(', ')}]\n`

let folder = ''
let tokenFile = ''
let given: GivenContext
let kube: Kube
let audited: AuditedApi
/** Flags of the run with the printed role. */
let roleFlags: string[]
let runs: Record<'own' | 'role' | 'second' | 'ended', Promise<Ended>>

/** All at once: what they do beside each other is part of what is tested. */
beforeAll(async () => {
  const leg = inject('leg')
  if (leg.state === 'failed') throw new Error(`${leg.cluster}: ${leg.reason}`)
  folder = await mkdtemp(join(tmpdir(), 'existing-'))
  const handle = await readLegHandle(leg.handleFile)
  given = readContext(handle.kubeconfig, undefined)
  kube = connectKube(given.kubeconfig)
  await kube.apply(rbacObjects(borrowed))
  const { status } = await kube.core.createNamespacedServiceAccountToken({
    ...role,
    namespace: borrowed,
    body: { spec: { audiences: [], expirationSeconds: 600 } },
  })
  tokenFile = join(folder, 'token.kubeconfig')
  const token = status?.token ?? ''
  await writeFile(tokenFile, await configWith(given.kubeconfig, { token }), { mode: 0o600 })
  const [controlPlane] = await readNodes(kube)
  if (controlPlane === undefined) throw new Error('no control plane')
  audited = await startAuditedApi(controlPlane, `system:serviceaccount:${borrowed}:${role.name}`)
  const { server } = audited
  const auditedFile = join(folder, 'audited.kubeconfig')
  await writeFile(auditedFile, await configWith(given.kubeconfig, { server, token }), { mode: 0o600 })
  const asAdministrator = join(folder, 'administrator.kubeconfig')
  await writeFile(asAdministrator, await configWith(given.kubeconfig, { server }), { mode: 0o600 })
  await seen(() => connectKube(asAdministrator).core.readNamespace({ name: borrowed }))
  const definitionFile = join(folder, 'guest.yaml')
  await writeFile(definitionFile, definition(handle.features.filter((each) => each === 'network-policy')))
  const some = [
    'pod-to-pod/**',
    'service/cluster-ip/**',
    'network-policy/declaration',
    'life-cycle/*/creation',
  ]
  roleFlags = [
    definitionFile,
    `--kubeconfig=${auditedFile}`,
    `--context=${given.context}`,
    `--namespace=${borrowed}`,
    ...some.map((glob) => `--check=${glob}`),
  ]
  const own = start('own', '--profile=core')
  const ended = start('ended', '--profile=core')
  const first = start('role', ...roleFlags)
  await seen(() => kube.core.readNamespacedConfigMap({ name: 'cni-conformance', namespace: borrowed }))
  const second = start('second', `--namespace=${borrowed}`, '--profile=core')
  runs = { own: own.ended, role: first.ended, second: second.ended, ended: ended.ended }
  await seen(async () => {
    const journal = await readFile(join(folder, 'ended', 'events.jsonl'), 'utf8')
    if (!journal.includes('"name":"fixtures"')) throw new Error('not yet')
  })
  ended.child.kill('SIGINT')
}, timeout)
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await audited.stop()
  const rbac = kube.config.makeApiClient(RbacAuthorizationV1Api)
  const { name } = role
  await rbac.deleteClusterRoleBinding({ name })
  await rbac.deleteClusterRole({ name })
  await rbac.deleteNamespacedRoleBinding({ name, namespace: 'kube-system' })
  await rbac.deleteNamespacedRole({ name, namespace: 'kube-system' })
  await Promise.all(
    [borrowed, `${borrowed}-other`].map((namespace) => kube.core.deleteNamespace({ name: namespace })),
  )
})

interface Ended {
  exitCode: number | null
  stderr: string
  run: Run
}

/** The command, with the context that it must be given where there is no terminal. */
function start(name: string, ...argv: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const reports = join(folder, name)
  // A later flag takes the place of an earlier one.
  const access = [`--kubeconfig=${given.kubeconfig}`, `--context=${given.context}`]
  const child = spawn(process.execPath, [main, 'test', ...access, `--report-dir=${reports}`, ...argv], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ending = async (): Promise<Ended> => {
    const [stderr, [exitCode]] = await Promise.all([
      text(child.stderr ?? process.stdin),
      once(child, 'exit') as Promise<[number | null]>,
    ])
    return { exitCode, stderr, run: await readRun(join(reports, 'run.json')) }
  }
  return { child, ended: ending() }
}

/** What did not pass, but for what this run cannot or need not ask. */
const off = ({ legs }: Run): string[] =>
  legs.flatMap(({ outcomes }) =>
    outcomes
      .filter(({ outcome }) => outcome !== 'passed' && outcome !== 'unsupported')
      .map(({ check, outcome, reason }) => `${check} ${outcome}: ${reason}`),
  )

/** Names of what a run has made that is still there: namespaces, or objects in those that it borrowed. */
async function leftOf({ run }: Run): Promise<(string | undefined)[]> {
  const labelSelector = `${runLabel}=${run.id}`
  const { items: namespaces } = await kube.core.listNamespace({ labelSelector })
  const lists = await Promise.all(
    [borrowed, `${borrowed}-other`].flatMap((namespace) => [
      kube.core.listNamespacedPod({ namespace, labelSelector }),
      kube.core.listNamespacedService({ namespace, labelSelector }),
      kube.core.listNamespacedConfigMap({ namespace, labelSelector }),
      kube.networking.listNamespacedNetworkPolicy({ namespace, labelSelector }),
      kube.discovery.listNamespacedEndpointSlice({ namespace, labelSelector }),
    ]),
  )
  return [...namespaces, ...lists.flatMap(({ items }) => items)].map(({ metadata }) => metadata?.name)
}

/** Resolves when what is looked for is there. */
const seen = (what: () => Promise<unknown>): Promise<unknown> =>
  vi.waitFor(what, { timeout: 60_000, interval: 200 })

test(
  'a run is green, says where it is and what it does not know, and leaves nothing',
  async () => {
    const { exitCode, run, stderr } = await runs.own
    expect(off(run)).toEqual([])
    expect(exitCode).toBe(0)
    const { id } = run.run
    expect(stderr).toContain(
      `server ${given.server}, context ${given.context}, user ${given.user}; namespaces cni-conformance-${id} and cni-conformance-${id}-other for this run`,
    )
    const [leg] = run.legs
    expect(leg?.identity.kubernetes).toMatch(/^v1\./)
    expect(leg?.identity.nodes.length).toBeGreaterThan(2)
    expect(leg?.cluster.definition.cni.name).toBe('unknown')
    const lacking = leg?.outcomes.filter(({ outcome }) => outcome === 'unsupported')
    // What a guest has not, and nobody has told.
    const needing = checks.filter(({ level, features }) => level === 'core' && features.some(isRunNeed))
    expect(lacking?.map(({ check }) => check)).toEqual(needing.map(({ id }) => id))
    expect(needing.map(({ id }) => id)).toContain('pod/address/in-range')
    expect(await leftOf(run)).toEqual([])
  },
  timeout,
)

test(
  'beside it the printed role is enough for checks of every kind, in namespaces that stay',
  async () => {
    const { exitCode, run } = await runs.role
    expect(off(run)).toEqual([])
    expect(exitCode).toBe(0)
    expect(run.legs[0]?.cluster.name).toBe('guest')
    const passed = run.legs[0]?.outcomes
      .filter(({ outcome }) => outcome === 'passed')
      .map(({ check }) => check)
    expect(passed).toEqual(expect.arrayContaining(['life-cycle/pod/creation', 'life-cycle/service/creation']))
    expect(await leftOf(run)).toEqual([])
  },
  timeout,
)

test('the printed role has nothing to do with Secrets', async () => {
  const asRole = connectKube(tokenFile).config.makeApiClient(AuthorizationV1Api)
  for (const namespace of [borrowed, `${borrowed}-other`, 'kube-system', 'default']) {
    const { status } = await asRole.createSelfSubjectRulesReview({ body: { spec: { namespace } } })
    const rules = status?.resourceRules ?? []
    expect(status?.incomplete).toBe(false)
    expect(rules.length).toBeGreaterThan(1)
    const all = rules.flatMap(({ resources = [] }) => resources)
    expect(all.filter((each) => /^(\*|secrets)/.test(each))).toEqual([])
  }
})

test(
  'the audit log of that run has nothing beyond the printed role, and nothing on Secrets',
  async () => {
    expect((await runs.role).exitCode).toBe(0)
    const events = await audited.events()
    const table = permissionsFor('borrowed')
    const asked = events.flatMap(({ verb, objectRef, requestURI }) => {
      if (objectRef === undefined) return []
      const { resource, subresource, apiGroup: group, namespace, name } = objectRef
      const path = subresource === undefined ? resource : `${resource}/${subresource}`
      const where = {
        ...(namespace === undefined ? {} : { namespace }),
        ...(name === undefined ? {} : { name }),
      }
      return [{ request: { verb, group, resource: path, ...where }, requestURI }]
    })
    const fixtures = [borrowed, `${borrowed}-other`]
    const beyond = asked.filter(({ request }) => !covers(table, fixtures, request))
    expect(beyond).toEqual([])
    expect(asked.filter(({ requestURI }) => /secrets/i.test(requestURI))).toEqual([])
    const decisions = Map.groupBy(events, (each) => each.annotations['authorization.k8s.io/decision'])
    expect([...decisions.keys()]).toEqual(['allow'])
    // It was all there to be seen: what the run cannot do without.
    const kinds = new Set(asked.map(({ request: { verb, resource } }) => `${verb} ${resource}`))
    expect([...kinds]).toEqual(
      expect.arrayContaining(['list nodes', 'patch pods', 'patch services', 'get pods/exec']),
    )
    console.info(
      `audit log: ${events.length} requests of ${kinds.size} kinds, none beyond the role, none on Secrets`,
    )
  },
  timeout,
)

test(
  'a dry run prints all that this run has applied, each once, and only reads',
  async () => {
    expect((await runs.role).exitCode).toBe(0)
    const before = await audited.events()
    const applied = new Set(before.flatMap((each) => (each.verb === 'patch' ? nameOf(each) : [])))
    const { stdout, exitCode } = await runProgram([process.execPath, main, 'test', '--dry-run', ...roleFlags])
    expect(exitCode).toBe(0)
    const printed = (loadAll(stdout) as KubernetesObject[]).map(
      ({ kind, metadata }) => `${pluralOf(kind ?? '')} ${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`,
    )
    expect(printed).toEqual([...new Set(printed)])
    expect(applied.size).toBeGreaterThan(20)
    expect([...applied].filter((each) => !printed.includes(each))).toEqual([])
    const since = (await audited.events()).slice(before.length)
    expect([...new Set(since.map(({ verb }) => verb))].toSorted()).toEqual(['get', 'list'])
  },
  timeout,
)

/** What the API's paths call a kind. */
const pluralOf = (kind: string): string => `${kind.toLowerCase().replace(/y$/, 'ie')}s`

/** What a request was about: its resource, namespace and name; nothing where it names no object. */
const nameOf = ({ objectRef }: AuditEvent): string[] =>
  objectRef?.name === undefined
    ? []
    : [`${objectRef.resource} ${objectRef.namespace ?? ''}/${objectRef.name}`]

test(
  'a second run in the same namespaces is refused by the name of the first',
  async () => {
    const [first, second] = [await runs.role, await runs.second]
    expect(second.exitCode).toBe(3)
    expect(second.run.legs[0]?.setupFailure?.what).toBe(
      `namespace ${borrowed} is taken by run ${first.run.run.id}`,
    )
  },
  timeout,
)

test(
  'a run that is ended in the middle leaves nothing',
  async () => {
    const { exitCode, run, stderr } = await runs.ended
    expect([exitCode, run.verdict.exitCode]).toEqual([130, 130])
    expect(stderr).toContain('SIGINT: writing the report')
    expect(run.legs[0]?.phases.map(({ name }) => name)).toContain('delete')
    expect(await leftOf(run)).toEqual([])
  },
  timeout,
)

/** The kubeconfig with another server, or with a token in the place of its user's certificate. */
async function configWith(file: string, change: { server?: string; token?: string }): Promise<string> {
  const config = load(await readFile(file, 'utf8')) as {
    clusters: { cluster: Record<string, string> }[]
    users: { user: Record<string, string> }[]
  }
  const { server, token } = change
  if (server !== undefined) for (const { cluster } of config.clusters) cluster['server'] = server
  if (token !== undefined) for (const each of config.users) each.user = { token }
  return dump(config)
}
