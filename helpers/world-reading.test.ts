import type { V1Pod } from '@kubernetes/client-node'
import { expect, test } from 'vitest'
import { stateOf as stateIn } from './world-reading.ts'

const namespaces = { main: 'main', other: 'other', host: 'host' }
const stateOf = (pods: readonly V1Pod[]): string => stateIn(pods, namespaces)

const pod = (uid: string): V1Pod => ({
  metadata: { name: 'one', namespace: 'main', uid, labels: { app: 'agent' } },
  spec: { nodeName: 'worker1', containers: [] },
  status: {
    phase: 'Running',
    podIPs: [{ ip: '10.0.0.1' }],
    conditions: [{ type: 'Ready', status: 'True' }],
    containerStatuses: [
      { name: 'agent', restartCount: 0, ready: true, image: '', imageID: '', state: { running: {} } },
    ],
  },
})

/** The same pod with something of it changed. */
function changed(change: (made: V1Pod) => void): V1Pod {
  const made = structuredClone(pod('a'))
  change(made)
  return made
}

test('the same pods in another order are the same', () => {
  expect(stateOf([pod('a'), pod('b')])).toBe(stateOf([pod('b'), pod('a')]))
})

test.each<[string, V1Pod]>([
  ['was made anew', pod('b')],
  ['began again', changed(({ status }) => void (status!.containerStatuses![0]!.restartCount = 1))],
  ['is no longer ready', changed(({ status }) => void (status!.conditions![0]!.status = 'False'))],
  ['is being deleted', changed(({ metadata }) => void (metadata!.deletionTimestamp = new Date(0)))],
  ['has another address', changed(({ status }) => void (status!.podIPs = [{ ip: '10.0.0.2' }]))],
  ['has ended', changed(({ status }) => void (status!.phase = 'Failed'))],
  ['has another label', changed(({ metadata }) => void (metadata!.labels = {}))],
])('a pod that %s makes another world', (_what, other) => {
  expect(stateOf([other])).not.toBe(stateOf([pod('a')]))
})

test('so does one that has come, and one that has gone', () => {
  expect(stateOf([pod('a'), pod('b')])).not.toBe(stateOf([pod('a')]))
  expect(stateOf([])).not.toBe(stateOf([pod('a')]))
})

test('pods of others may come and go, but for the DNS servers', () => {
  const other = changed(({ metadata }) => void (metadata!.namespace = 'kube-system'))
  const dns = structuredClone(other)
  dns.metadata!.labels = { 'k8s-app': 'kube-dns' }
  expect(stateOf([pod('a'), other])).toBe(stateOf([pod('a')]))
  expect(stateOf([pod('a'), dns])).not.toBe(stateOf([pod('a')]))
  for (const namespace of Object.values(namespaces))
    expect(stateOf([changed(({ metadata }) => void (metadata!.namespace = namespace))])).not.toBe('')
})
