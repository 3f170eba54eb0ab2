import { expect, test } from 'vitest'
import { parseLock, readLockText } from './images/lock.ts'
import { cniTraits, readSupportedVersions } from './supported.ts'

test('the versions are those of the whole lock', async () => {
  const lock = parseLock(await readLockText())
  expect(await readSupportedVersions()).toEqual({
    kubernetes: Object.keys(lock.kubernetes),
    cni: Object.fromEntries(
      Object.entries(lock.cni).map(([name, versions]) => [name, Object.keys(versions)]),
    ),
  })
})

test('every CNI with images has traits, and the other way round', async () => {
  const { cni } = await readSupportedVersions()
  expect(Object.keys(cni).toSorted()).toEqual(Object.keys(cniTraits).toSorted())
})
