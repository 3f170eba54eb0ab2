import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { UsageError } from '../../helpers/errors.ts'
import { apiAddress, mirrored, parseMirror, parseReference } from './references.ts'

const label = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/)
const host = fc
  .tuple(fc.array(label, { minLength: 1, maxLength: 3 }), fc.option(fc.integer({ min: 1, max: 65_535 })))
  .map(([labels, port]) => `${labels.join('.')}${port === null ? '' : `:${port}`}`)
const repository = fc.array(label, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'))
const tag = fc.stringMatching(/^[\w][\w.-]{0,12}$/)

test('a reference comes apart into what it was put together from', () => {
  fc.assert(
    fc.property(host, repository, tag, (h, r, t) => {
      expect(parseReference(`${h}/${r}:${t}`)).toEqual({ host: h, repository: r, tag: t })
    }),
  )
})

test('one mirror replaces every host and keeps the repository', () => {
  fc.assert(
    fc.property(host, host, repository, tag, (from, to, r, t) => {
      expect(mirrored(`${from}/${r}:${t}`, parseMirror(to))).toBe(`${to}/${r}`)
      expect(mirrored(`${from}/${r}:${t}`, parseMirror(undefined))).toBe(`${from}/${r}`)
    }),
  )
})

test('a mirror per registry leaves the others alone', () => {
  const mirror = parseMirror('docker.io=mirror.test:5000/hub/,ghcr.io=10.0.0.1')
  expect(mirrored('docker.io/library/node:24', mirror)).toBe('mirror.test:5000/hub/library/node')
  expect(mirrored('ghcr.io/flannel-io/flannel:v1', mirror)).toBe('10.0.0.1/flannel-io/flannel')
  expect(mirrored('registry.k8s.io/pause:3.10', mirror)).toBe('registry.k8s.io/pause')
})

test.for([
  '',
  'https://mirror.test',
  'mirror.test, other',
  'docker.io=',
  '=x',
  'a=b=c',
  'x y',
  '$(id)',
  'a,a',
  'Mirror.test',
])('no mirror: %s', (text) => {
  expect(() => parseMirror(text)).toThrow(UsageError)
})

/** The mirror, or the error that {@link parseMirror} throws. */
function mirrorOrError(text: string): unknown {
  try {
    return [...parseMirror(text).values()]
  } catch (error) {
    return error
  }
}

test('nothing that a user types makes anything but a mirror or a usage error', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const found = mirrorOrError(text)
      const harmless =
        Array.isArray(found) && found.every((to) => /^[a-z0-9][a-z0-9._:/-]*$/.test(String(to)))
      expect(harmless || found instanceof UsageError).toBe(true)
    }),
  )
})

test('where a registry answers', () => {
  expect(apiAddress('docker.io/library/node')).toBe('https://registry-1.docker.io/v2/')
  expect(apiAddress('registry.k8s.io/pause')).toBe('https://registry.k8s.io/v2/')
  expect(apiAddress('localhost:5000/pause')).toBe('http://localhost:5000/v2/')
  expect(apiAddress('127.0.0.1/pause')).toBe('http://127.0.0.1/v2/')
  expect(apiAddress('127.example.org/pause')).toBe('https://127.example.org/v2/')
})
