import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { definitionSchema, type ClusterDefinition } from './definition-schema.ts'
import { definitionDifferences, partDifferences, partsOf } from './kept.ts'

const definition: ClusterDefinition = definitionSchema.parse({
  apiVersion: 'cni-conformance/v1',
  name: 'mine',
  kubernetes: 'v1.37.0',
  cni: { name: 'flannel', version: 'v0.28.9' },
})

test('every field that makes another cluster is named with both values', () => {
  const now: ClusterDefinition = {
    ...definition,
    kubernetes: 'v1.36.3',
    nodes: { controlPlane: 1, workers: 3 },
    network: { ...definition.network, podSubnet: '10.0.0.0/16' },
    cni: { ...definition.cni, installer: 'manifest' },
  }
  expect(definitionDifferences(definition, now)).toEqual([
    'kubernetes: cluster has v1.37.0, file says v1.36.3',
    'nodes.workers: cluster has 2, file says 3',
    'network.podSubnet: cluster has 10.244.0.0/16, file says 10.0.0.0/16',
    'cni.installer: cluster has none, file says manifest',
  ])
})

test('what a cluster claims may change without the cluster, and a definition never differs from itself', () => {
  const claims = fc.record({
    name: fc.string(),
    features: fc.array(fc.constantFrom('network-policy' as const, 'host-port' as const)),
  })
  fc.assert(
    fc.property(claims, (claim) => {
      expect(definitionDifferences(definition, { ...definition, ...claim })).toEqual([])
    }),
  )
  const parsed: unknown = JSON.parse(JSON.stringify(definition))
  expect(definitionDifferences(definitionSchema.parse(parsed), definition)).toEqual([])
})

const status = (ready: boolean) => ({ conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] })
const node = (name: string, address: string, ready = true) => ({
  metadata: { name },
  status: {
    ...status(ready),
    addresses: [{ type: 'InternalIP', address }],
    nodeInfo: { kubeletVersion: 'v1.37.0' } as never,
  },
})
const agent = (on: string, image: string, ready = true) => ({
  metadata: { name: `agent-${on}` },
  spec: { nodeName: on, containers: [{ name: 'agent', image }] },
  status: status(ready),
})

test('every node and every pod of the CNI that is not what it was is named', () => {
  const pods = { container: 'agent' }
  const before = {
    nodes: [node('a', '1.1.1.1'), node('b', '1.1.1.2')],
    pods: [agent('a', 'v1'), agent('b', 'v1')],
  }
  const made = partsOf(before, pods)
  expect(partDifferences(made, before, pods)).toEqual([])
  const now = {
    nodes: [node('a', '1.1.1.9'), node('c', '1.1.1.3', false)],
    pods: [agent('a', 'v2'), agent('c', 'v1', false)],
  }
  expect(partDifferences(made, now, pods)).toEqual([
    'nodes.c: not Ready',
    'cni.c: pod agent-c is not Ready',
    'nodes.a: was made as 1.1.1.1 v1.37.0, is 1.1.1.9 v1.37.0',
    'nodes.b: was made as 1.1.1.2 v1.37.0, is none',
    'cni.a: was made as v1, is v2',
    'cni.b: was made as v1, is none',
    'nodes.c: was made as none, is 1.1.1.3 v1.37.0',
    'cni.c: was made as none, is v1',
  ])
})
