import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { UsageError } from '../../helpers/errors.ts'
import { parseImagesFlag } from './prepare.ts'

test('--images and --registry-mirror', () => {
  expect(parseImagesFlag(undefined, undefined)).toEqual({ kind: 'auto' })
  expect(parseImagesFlag('auto', 'm.test')).toEqual({ kind: 'auto', mirror: 'm.test' })
  expect(parseImagesFlag('registry', 'm.test:5000/x')).toEqual({ kind: 'registry', mirror: 'm.test:5000/x' })
  expect(parseImagesFlag('source', undefined)).toEqual({ kind: 'source' })
  expect(parseImagesFlag('archive:usb/a:b', undefined)).toEqual({ kind: 'archive', dir: resolve('usb/a:b') })
})

test.for<[string | undefined, string | undefined, string]>([
  ['regsitry', undefined, '--images regsitry: must be auto, registry, source or archive:DIR'],
  ['archive', undefined, 'archive:DIR'],
  ['archive:', undefined, 'archive:DIR'],
  ['source:x', undefined, 'must be auto'],
  ['', undefined, 'must be auto'],
  ['source', 'm.test', '--registry-mirror has no meaning with --images source'],
  ['bogus', 'm.test', '--images bogus: must be auto'],
  ['registry', 'https://m.test', 'without a scheme'],
])('--images %s --registry-mirror %s is a usage error', ([images, mirror, message]) => {
  expect(() => parseImagesFlag(images, mirror)).toThrow(UsageError)
  expect(() => parseImagesFlag(images, mirror)).toThrow(message)
})
