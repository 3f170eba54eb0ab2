import { load } from 'js-yaml'
import { expect, test } from 'vitest'
import { UsageError } from '../../helpers/errors.ts'
import { parseLock, readLockText, select } from './lock.ts'
import { parseReference } from './references.ts'

const text = await readLockText()
const lock = parseLock(text, 'x64')
const flannel = { kubernetes: 'v1.37.0', cni: { name: 'flannel', version: 'v0.28.9' } }

test('lock.yaml is whole for both architectures', () => {
  expect(JSON.stringify(parseLock(text, 'arm64'))).not.toMatch(/amd64|x86_64|\{(arch|npmArch|triplet)\}/)
  expect(JSON.stringify(lock)).not.toMatch(/arm64|\{(arch|npmArch|triplet)\}/)
  expect(() => parseLock(text, 'mips')).toThrow(UsageError)
})

test('every image has a version for its tag', () => {
  for (const image of Object.values(lock.artefacts).filter((item) => 'layers' in Object(item.source)))
    expect(parseReference(image.upstream).tag).not.toBe('latest')
})

test('every download can be checked', () => {
  const files = Object.values(lock.artefacts).filter(
    (item) => item.type === 'binary' || item.type === 'manifest',
  )
  expect(files.filter((file) => !file.upstream.startsWith('https:'))).toEqual([])
  expect(files.filter((file) => file.digest === 'resolve' && file.checksum === undefined)).toEqual([])
})

test('every combination can be selected', () => {
  for (const kubernetes of Object.keys(lock.kubernetes))
    for (const [name, versions] of Object.entries(lock.cni))
      for (const version of Object.keys(versions)) {
        const selection = select(lock, { kubernetes, cni: { name, version } })
        expect(selection.node.upstream).toBe(`docker.io/kindest/node:${kubernetes}`)
      }
})

test('nothing in lock.yaml is unused', () => {
  const named = JSON.stringify([
    lock.kubernetes,
    lock.cni,
    Object.values(lock.artefacts),
    Object.values(lock.builds),
  ])
  const unused = (ids: string[]): string[] =>
    ids.filter((id) => !named.includes(`"${id}"`) && !named.includes(`"${id}/`))
  expect(unused(Object.keys(lock.artefacts))).toEqual([])
  expect(unused(Object.keys(lock.builds))).toEqual([])
})

test('unknown versions are told in one go, with those that are known', () => {
  expect(() => select(lock, { kubernetes: 'v1.0.0', cni: { name: 'flannel', version: 'v0' } })).toThrow(
    'no images for Kubernetes version v1.0.0; known: v1.37.0\nno images for flannel version v0; known: v0.28.9',
  )
  for (const name of ['weave', '__proto__', 'constructor', ''])
    expect(() => select(lock, { ...flannel, cni: { name, version: 'v1' } })).toThrow(UsageError)
})

test('a name that nothing defines is found', () => {
  const broken = text
    .replace('node: kindest-node-v1.37.0', 'node: kindest-node-v9')
    .replace('layers: [static]', 'layers: [x]')
  expect(() => parseLock(broken)).toThrow('lock.yaml names what it does not define: kindest-node-v9, x')
})

test('a field that the schema does not know is an error', () => {
  const known = load(text) as object
  expect(() => parseLock(JSON.stringify({ ...known, extra: 1 }))).toThrow(/extra/)
})
