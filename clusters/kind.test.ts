import { dump, load } from 'js-yaml'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CommandError } from '../helpers/exec.ts'
import { kubeconfigFor, nodeNames, phaseOf } from './kind.ts'
import { kindConfig, kindConfigYaml } from './kind-config.ts'
import type { KindSpec } from './kind-config.ts'
import { creationFailed } from './kind-failure.ts'

const spec: KindSpec = {
  kubernetes: 'v1.37.0',
  nodes: { controlPlane: 1, workers: 2 },
  network: {
    ipFamily: 'dual',
    podSubnet: '10.244.0.0/16,fd00::/56',
    serviceSubnet: '10.96.0.0/16',
    kubeProxy: 'nftables',
  },
}

test('the definition becomes the configuration of kind', () => {
  expect(kindConfig(spec, { cgroupVersion: 2, shim: undefined })).toEqual({
    kind: 'Cluster',
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    networking: {
      ipFamily: 'dual',
      podSubnet: '10.244.0.0/16,fd00::/56',
      serviceSubnet: '10.96.0.0/16',
      kubeProxyMode: 'nftables',
      disableDefaultCNI: true,
      apiServerPort: -1,
    },
    nodes: [{ role: 'control-plane' }, { role: 'worker' }, { role: 'worker' }],
    kubeadmConfigPatches: [expect.any(String), expect.any(String)],
    containerdConfigPatches: [expect.any(String)],
  })
})

test('cgroup v1 and a missing capability are patched in, and only there', () => {
  const both = kindConfigYaml(spec, { cgroupVersion: 1, shim: '/cache/shim' })
  expect(both).toContain('failCgroupV1: false')
  expect(both).toContain('restrict_oom_score_adj = true')
  const old = kindConfigYaml({ ...spec, kubernetes: 'v1.30.9' }, { cgroupVersion: 1, shim: undefined })
  expect(old).not.toContain('failCgroupV1')
  expect(old).not.toContain('restrict_oom_score_adj')
})

test('nobody waits for a disk, whichever configuration kubeadm reads', () => {
  const { kubeadmConfigPatches, containerdConfigPatches } = kindConfig(spec, {
    cgroupVersion: 2,
    shim: undefined,
  })
  expect((kubeadmConfigPatches as string[]).map((patch) => load(patch))).toEqual([
    {
      kind: 'ClusterConfiguration',
      apiVersion: 'kubeadm.k8s.io/v1beta3',
      etcd: { local: { extraArgs: { 'unsafe-no-fsync': 'true' } } },
    },
    {
      kind: 'ClusterConfiguration',
      apiVersion: 'kubeadm.k8s.io/v1beta4',
      etcd: { local: { extraArgs: [{ name: 'unsafe-no-fsync', value: 'true' }] } },
    },
  ])
  expect(containerdConfigPatches).toEqual([expect.stringContaining('no_sync = true')])
})

test('the YAML says what the object says', () => {
  const nodes = fc.record({ controlPlane: fc.integer({ min: 1, max: 3 }), workers: fc.nat({ max: 9 }) })
  const host = fc.record({
    cgroupVersion: fc.constantFrom(1 as const, 2 as const),
    shim: fc.option(fc.string(), { nil: undefined }),
  })
  fc.assert(
    fc.property(nodes, fc.string(), host, (count, podSubnet, on) => {
      const some = { ...spec, nodes: count, network: { ...spec.network, podSubnet } }
      expect(load(kindConfigYaml(some, on))).toEqual(kindConfig(some, on))
      expect(new Set(nodeNames('cnic-x', some)).size).toBe(count.controlPlane + count.workers)
    }),
  )
})

test("nodes bear kind's names", () => {
  expect(nodeNames('cnic-x', spec)).toEqual(['cnic-x-control-plane', 'cnic-x-worker', 'cnic-x-worker2'])
})

test.each([
  [' • Preparing nodes 📦 📦 📦   ...', 'Preparing nodes'],
  [' ✓ Joining worker nodes 🚜', 'Joining worker nodes'],
  [' ✗ Starting control-plane 🕹️', 'Starting control-plane'],
  ['Creating cluster "cnic-x" ...', undefined],
  ['', undefined],
])('%j is the phase %j', (line, phase) => {
  expect(phaseOf(line)).toBe(phase)
})

test('the early kubeconfig differs from the one of the node in its server alone', () => {
  const config = {
    apiVersion: 'v1',
    clusters: [{ name: 'x', cluster: { server: 'https://x:6443', 'certificate-authority-data': 'YQ==' } }],
    users: [{ name: 'admin', user: { 'client-certificate-data': 'Yg==', 'client-key-data': 'Yw==' } }],
  }
  const found = kubeconfigFor(dump(config), 'https://127.0.0.1:1')
  expect(found.clusters[0].cluster.server).toBe('https://127.0.0.1:1')
  found.clusters[0].cluster.server = 'https://x:6443'
  expect(found).toEqual(config)
  expect(() => kubeconfigFor('', 'https://127.0.0.1:1')).toThrow(/empty/)
})

test.each([
  ['no space left on device', /docker system df/],
  ['driver failed: Bind for 127.0.0.1:6443 failed: port is already allocated', /free the port/],
  ['could not find an available, non-overlapping IPv4 address pool', /docker network prune/],
  ['failed to create fsnotify watcher: too many open files', /fs\.inotify\.max_user_instances/],
  ['something new', /cni-conformance doctor/],
])('a failed creation shows the end of what kind said, and what helped others: %s', (line, next) => {
  const result = { exitCode: 1, signal: null, stdout: '', stderr: ` ✗ Preparing nodes\nERROR: ${line}\n` }
  const error = creationFailed('cnic-x', new CommandError(['kind'], result, undefined, false))
  expect(error.message).toContain('kind could not create cluster cnic-x')
  expect(error.message).toContain(line)
  expect(error.next).toMatch(next)
})
