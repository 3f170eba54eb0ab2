import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { definitionSchema, type ClusterDefinition } from './definition-schema.ts'
import { definitionDifferences } from './kept.ts'

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
