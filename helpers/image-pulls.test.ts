import type { CoreV1Event, V1Pod } from '@kubernetes/client-node'
import { expect, test } from 'vitest'
import { hopelessPull } from './image-pulls.ts'

const pod = (reason: string): V1Pod => ({
  metadata: { uid: 'u1', name: 'worker1-a', namespace: 'x' },
  spec: { nodeName: 'n1', containers: [] },
  status: {
    containerStatuses: [
      {
        name: 'agent',
        image: 'i',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: { waiting: { reason } },
      },
    ],
  },
})

const said = (message: string, count = 1, uid = 'u1'): CoreV1Event => ({
  metadata: {},
  involvedObject: { uid },
  reason: 'Failed',
  message,
  count,
})

const notFound = 'Failed to pull image "r.example/node:24": rpc error: code = NotFound'

test('a second try that failed is enough, and names image, node and what the kubelet said', () => {
  expect(hopelessPull([pod('ErrImagePull')], [said(notFound)])).toBeUndefined()
  const seen = `r.example/node:24 on n1, 2 times: ${notFound}`
  expect(hopelessPull([pod('ErrImagePull')], [said(notFound, 2)])).toBe(seen)
  // The kubelet's event changes when the message does.
  expect(hopelessPull([pod('ImagePullBackOff')], [said(notFound), said(notFound)])).toBe(seen)
})

test('tries of different images, of other pods, and other failures do not add up', () => {
  const other = 'Failed to pull image "r.example/agnhost:2": timeout'
  expect(hopelessPull([pod('ErrImagePull')], [said(notFound), said(other)])).toBeUndefined()
  expect(hopelessPull([pod('ErrImagePull')], [said(notFound, 9, 'u2')])).toBeUndefined()
  expect(hopelessPull([pod('ErrImagePull')], [said('Error: ErrImagePull', 9)])).toBeUndefined()
})

test('a pod that runs or is being created is not judged by its past', () => {
  expect(hopelessPull([pod('ContainerCreating')], [said(notFound, 5)])).toBeUndefined()
})
