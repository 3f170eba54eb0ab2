import { assert, property, string } from 'fast-check'
import { expect, test } from 'vitest'
import { redacted, redactedData, withoutSecrets } from './redact.ts'

test.each([
  ['password=hunter2 ok', 'password=[redacted] ok'],
  ['--token abcdef --v=4', '--token [redacted] --v=4'],
  ['Authorization: Basic aGVsbG8=', 'Authorization: [redacted]'],
  ['https://u:p@h/x', 'https://[redacted]@h/x'],
  ['{"name":"API_TOKEN","value":"abc"}', '{"name":"API_TOKEN","value":"[redacted]"}'],
  ['password: |\n  one\n  two\nnext: 1', 'password: |\n  [redacted]\nnext: 1'],
])('%j becomes %j', (text, expected) => {
  expect(redacted(text)).toBe(expected)
})

test.each([
  'the token expired: retry',
  'secret "db" not found',
  '-A KUBE-SVC -m comment --comment "kube-system/kube-dns:metrics cluster IP" -j KUBE-SEP',
  'worker1-a -> cni-conformance/echo via cluster-ip over tcp',
  'timed-out, expected reached: no answer in 3000 ms at connect',
  'ghcr.io/flannel-io/flannel@sha256:0123456789abcdef',
  'docker.io/library/node:24.21.0',
  '2026-11-21T17:00:00.000Z Normal Pulled Pod kube-system/coredns-5d78c9869d-x7k2p',
])('%j stays as it is', (text) => {
  expect(redacted(text)).toBe(text)
})

test('what is redacted stays so, whatever it was', () => {
  assert(
    property(string({ maxLength: 200 }), (text) => {
      const once = redacted(`password=${text}`)
      expect(redacted(once)).toBe(once)
    }),
  )
})

test.each([
  'password',
  '"',
  '\\',
  'token ',
  'a.',
  '-',
  'name: ',
  'a',
  'password="\\"',
  'password: |\n a\n',
  'eyJ',
  '-----BEGIN PRIVATE KEY-----',
])('a hundred thousand times %j takes no time', (piece) => {
  const before = process.cpuUsage()
  redacted(piece.repeat(100_000 / piece.length))
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1_000).toBeLessThan(1_000)
})

test('data keeps its form', () => {
  expect(redactedData({ a: [1, true, null, 'password=x'], b: undefined })).toEqual({
    a: [1, true, null, 'password=[redacted]'],
    b: undefined,
  })
})

test('what is secret by its place goes, what is not stays', () => {
  expect(
    withoutSecrets({
      kind: 'DaemonSet',
      metadata: {
        managedFields: [],
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', a: 'b' },
      },
      spec: {
        containers: [
          {
            env: [
              { name: 'A', value: 'b' },
              { name: 'C', valueFrom: { fieldRef: 'd' } },
            ],
          },
        ],
      },
    }),
  ).toEqual({
    kind: 'DaemonSet',
    metadata: { annotations: { a: 'b' } },
    spec: {
      containers: [
        {
          env: [
            { name: 'A', value: '[redacted]' },
            { name: 'C', valueFrom: { fieldRef: 'd' } },
          ],
        },
      ],
    },
  })
})
