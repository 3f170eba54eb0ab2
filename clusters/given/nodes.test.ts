import type { V1Node } from '@kubernetes/client-node'
import { expect, test } from 'vitest'
import { SetupError } from '../../helpers/errors.ts'
import { standardCoverage } from '../../helpers/coverage/coverage.ts'
import { defineCheck } from '../../helpers/check.ts'
import { chooseWorkers, type NodeSelector } from './nodes.ts'

const onEveryNode = defineCheck({
  id: 'test/every-node',
  level: 'core',
  covers: ['P3'],
  requirement: 'Each node MUST reach each.',
  pods: { here: { node: 'every' }, there: { node: 'every' } },
  probes: [{ from: 'here', to: 'there', via: 'pod-ip', protocol: 'tcp' }],
})

const choose = (nodes: readonly V1Node[], nodeSelector: NodeSelector, most = 24) =>
  chooseWorkers(nodes, { nodeSelector, coverage: { ...standardCoverage, nodes: most } }, [onEveryNode])

const node = (name: string, changes: V1Node['spec'] = {}, ready = 'True', labels = {}): V1Node => ({
  metadata: { name, labels: { 'kubernetes.io/os': 'linux', ...labels } },
  spec: changes,
  status: {
    conditions: [
      {
        type: 'Ready',
        status: ready,
        reason: ready === 'True' ? 'KubeletReady' : 'KubeletNotReady',
      },
    ],
  },
})

const taint = (effect: string) => ({ taints: [{ key: 'dedicated', value: 'db', effect }] })

test('all that fit, by name as people count', () => {
  const nodes = [
    node('n10'),
    node('n2'),
    node('n1', taint('NoSchedule')),
    node('n3', taint('PreferNoSchedule')),
  ]
  expect(choose(nodes, {}).workers).toEqual(['n2', 'n3', 'n10'])
  expect(
    choose([node('a'), node('b', {}, 'True', { zone: 'x' }), node('c', {}, 'True', { zone: 'x' })], {
      zone: 'x',
    }).workers,
  ).toEqual(['b', 'c'])
})

test('fewer than two: what was seen of every node, and what to do', () => {
  const nodes = [
    node('a', taint('NoExecute')),
    node('b', { unschedulable: true }),
    node('c', {}, 'False'),
    node('d', {}, 'True', { 'kubernetes.io/os': 'windows' }),
    node('e', {}, 'True', { pool: 'blue' }),
  ]
  const failure = (): SetupError => {
    try {
      choose(nodes, { pool: 'blue' })
    } catch (error) {
      if (error instanceof SetupError) return error
    }
    throw new Error('two were chosen')
  }
  const { what, seen, next } = failure()
  expect(what).toContain('one node')
  expect(seen?.split('\n')).toEqual([
    'a: taint dedicated=db:NoExecute, no label pool',
    'b: unschedulable, no label pool',
    'c: not Ready (KubeletNotReady), no label pool',
    'd: runs windows, no label pool',
    'e: fits',
  ])
  expect(next).toContain('--node-selector')
  expect(() => choose([], {})).toThrow(/no node/)
})
