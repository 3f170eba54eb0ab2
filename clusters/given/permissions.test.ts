import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isPlain } from '../../helpers/check.ts'
import {
  dnsConfiguredPods,
  fixtureObjects,
  handMadeSlice,
  type FixtureOptions,
} from '../../helpers/fixture-objects.ts'
import { plannedObjects } from '../../helpers/steps/planned-objects.ts'
import { checks } from '../../suites/catalogue.ts'
import { borrowedNamespaces } from './borrowed-namespaces.ts'
import { guardOf, permissionsFor, requestOf } from './permissions.ts'
import { rbacObjects, rbacReasons } from './rbac.ts'

const server = 'https://api.example:6443/k8s/clusters/c-1'
const fixtures = ['cnic', 'cnic-other']

test.each([
  ['GET', '/api/v1/nodes', { verb: 'list', group: '', resource: 'nodes' }],
  ['GET', '/api/v1/nodes?watch=true', { verb: 'watch', group: '', resource: 'nodes' }],
  ['DELETE', '/api/v1/namespaces/cnic', { verb: 'delete', group: '', resource: 'namespaces', name: 'cnic' }],
  [
    'PATCH',
    '/api/v1/namespaces/cnic/pods/a?fieldManager=x&force=true',
    { verb: 'patch', group: '', resource: 'pods', namespace: 'cnic', name: 'a' },
  ],
  [
    'GET',
    '/api/v1/namespaces/cnic/pods/a/log',
    { verb: 'get', group: '', resource: 'pods/log', namespace: 'cnic', name: 'a' },
  ],
  [
    'DELETE',
    '/apis/networking.k8s.io/v1/namespaces/cnic/networkpolicies',
    { verb: 'deletecollection', group: 'networking.k8s.io', resource: 'networkpolicies', namespace: 'cnic' },
  ],
  ['GET', '/apis/networking.k8s.io/v1', undefined],
  ['GET', '/version/', undefined],
])('%s %s', (method, path, expected) => {
  expect(requestOf(method, `${server}${path}`, server)).toEqual(expected)
})

const lets = (housing: 'own' | 'borrowed', method: string, path: string): boolean => {
  const guard = guardOf(permissionsFor(housing), fixtures, server)
  try {
    guard(method, `${server}${path}`)
    return true
  } catch {
    return false
  }
}

test('no request for a Secret goes out, whatever it is', () => {
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE')
  const name = fc.constantFrom('', '/a')
  const where = fc.constantFrom('', '/namespaces/cnic', '/namespaces/kube-system')
  fc.assert(
    fc.property(
      fc.constantFrom('own' as const, 'borrowed' as const),
      method,
      where,
      name,
      (housing, method, where, name) => {
        expect(lets(housing, method, `/api/v1${where}/secrets${name}`)).toBe(false)
      },
    ),
  )
})

test('outside of its namespaces a run reads nodes, pods and one Service', () => {
  for (const housing of ['own', 'borrowed'] as const) {
    expect(lets(housing, 'GET', '/api/v1/pods')).toBe(true)
    expect(lets(housing, 'GET', '/api/v1/namespaces/kube-system/services/kube-dns')).toBe(true)
    expect(lets(housing, 'GET', '/api/v1/namespaces/kube-system/services/other')).toBe(false)
    expect(lets(housing, 'PATCH', '/api/v1/namespaces/kube-system/pods/coredns')).toBe(false)
    expect(lets(housing, 'DELETE', '/api/v1/namespaces/cnic/pods/a')).toBe(true)
    expect(lets(housing, 'DELETE', '/api/v1/namespaces/default/pods/a')).toBe(false)
    expect(lets(housing, 'PATCH', '/api/v1/nodes/a')).toBe(false)
    expect(lets(housing, 'DELETE', '/api/v1/namespaces/cnic')).toBe(housing === 'own')
  }
})

interface Rule {
  apiGroups: string[]
  resources: string[]
  verbs: string[]
}

test.each([undefined, 'net-check'])(
  'the printed role is the table, no more and no less (%s)',
  (namespace) => {
    const rules = rbacObjects(namespace).flatMap((object) =>
      'rules' in object ? (object.rules as Rule[]) : [],
    )
    const table = permissionsFor(namespace === undefined ? 'own' : 'borrowed')
    // In both borrowed namespaces the same.
    const twice = namespace === undefined ? [] : table.filter(({ scope }) => scope === 'fixtures')
    const lines = (all: readonly { group: string; resource: string; verbs: readonly string[] }[]) =>
      all.map(({ group, resource, verbs }) => `${group}/${resource} ${verbs.join()}`).toSorted()
    const printed = rules.map(({ apiGroups, resources, verbs }) => ({
      group: apiGroups.join(),
      resource: resources.join(),
      verbs,
    }))
    expect(lines(printed)).toEqual(lines([...table, ...twice]))
    expect(JSON.stringify(rules)).not.toMatch(/secret|\*/i)
    expect(rbacReasons(namespace)).toHaveLength(table.length)
  },
)

/** Names of the client's methods, as requests. */
const verbs: Readonly<Record<string, string>> = {
  read: 'get',
  list: 'list',
  create: 'create',
  patch: 'patch',
  delete: 'delete',
  deleteCollection: 'deletecollection',
}
const resourceOf = (kind: string): string =>
  ({ PodLog: 'pods/log', NetworkPolicy: 'networkpolicies' })[kind] ?? `${kind.toLowerCase()}s`

/** Asked only where the nodes and the network are ours: with access to the nodes, and for the evidence of such a run. */
const onlyOnOurOwn = [
  'helpers/looks/node-looks.ts',
  'helpers/evidence-cni.ts',
  'helpers/evidence.ts listEventForAllNamespaces',
]

test('every request that the code makes is in the table', async () => {
  const root = join(import.meta.dirname, '..', '..')
  const calls: string[] = []
  for await (const file of glob(['helpers/**/*.ts', 'clusters/given/*.ts'], { cwd: root })) {
    if (/\.test\.ts$|\.testdata\.ts$/.test(file)) continue
    const text = await readFile(join(root, file), 'utf8')
    const found = text.matchAll(
      /\b(?<!z\.)(?:core|networking|discovery|apps)\s*\.\s*(?<method>(?<verb>deleteCollection|[a-z]+)(?<spaced>Namespaced)?(?<kind>[A-Z]\w*?)(?<all>ForAllNamespaces)?)\(/g,
    )
    for (const { groups = {} } of found) {
      const { method = '', verb = '', spaced, kind = '', all } = groups
      if (onlyOnOurOwn.some((each) => each === file || each === `${file} ${method}`)) continue
      const covered = permissionsFor('own').some(
        (each) =>
          each.resource === resourceOf(kind) &&
          each.verbs.some((allowed) => allowed === verbs[verb]) &&
          (all === undefined && spaced !== undefined ? true : each.scope === 'cluster'),
      )
      calls.push(`${file} ${method}${covered ? '' : ' is not covered'}`)
    }
    for (const { groups = {} } of text.matchAll(/\bpath: '(?<path>\/apis?\/[^']+)'/g)) {
      const { path = '' } = groups
      const covered = lets('own', 'GET', `${path}?watch=true`)
      calls.push(`${file} watches ${path}${covered ? '' : ' is not covered'}`)
    }
  }
  expect(calls.length).toBeGreaterThan(20)
  expect(calls.filter((call) => call.includes(' watches '))).toHaveLength(2)
  expect(calls.filter((call) => call.endsWith('is not covered'))).toEqual([])
})

test('every object that a run applies is of a kind that it may create and patch, and in its namespaces', () => {
  const options: FixtureOptions = {
    runId: '1a2b3c4d',
    namespaces: { main: 'cnic', other: 'cnic-other', host: 'cnic-host' },
    hostNetwork: false,
    hostPort: false,
    images: { node: 'node', agnhost: 'agnhost' },
    workers: ['n1', 'n2'],
    namespacesExist: true,
  }
  const planned = checks
    .filter((check) => !isPlain(check))
    .flatMap((check) => plannedObjects(check, options, '10.244.0.0/16'))
  const home = borrowedNamespaces({ given: {} as never, kube: {} as never, runId: '1a2b3c4d' }, 'cnic')
  const objects = [
    ...home.objects,
    ...fixtureObjects(options),
    ...dnsConfiguredPods('192.0.2.1', options),
    handMadeSlice('10.244.1.2', options),
    ...planned,
  ]
  expect(new Set(planned.map(({ kind }) => kind))).toEqual(new Set(['NetworkPolicy', 'Service', 'Pod']))
  for (const { apiVersion = '', kind = '', metadata = {} } of objects) {
    const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
    const path = `${base}/namespaces/${metadata.namespace}/${resourceOf(kind)}`
    expect([
      path,
      lets('borrowed', 'POST', path),
      lets('borrowed', 'PATCH', `${path}/${metadata.name}`),
    ]).toEqual([path, true, true])
  }
})
