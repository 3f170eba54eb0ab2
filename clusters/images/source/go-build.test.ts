import { expect, test } from 'vitest'
import { parseLock, readLockText } from '../lock.ts'
import type { BuildOf } from '../lock.ts'
import { dyingWithUs, generatedGoMod } from './go-build.ts'

const plain: BuildOf<'go'> = {
  recipe: 'go',
  module: 'example.org/tool',
  version: 'v1.2.3',
  packages: ['.'],
  replace: {},
  variables: {},
  cgo: false,
  tags: [],
  rename: {},
  files: [],
}

test('a throw-away module takes over the language version and its defaults', () => {
  const upstream =
    'module example.org/tool\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire example.org/x v1.0.0\n'
  expect(generatedGoMod(plain, upstream)).toBe(
    'module build\ngo 1.26.0\ngodebug default=go1.26\nrequire example.org/tool v1.2.3\n',
  )
  expect(generatedGoMod(plain, 'module m\ngo 1.24\n\ngodebug (\n\ta=1\n\tb=0\n)\n')).toContain(
    'godebug (\n\ta=1\n\tb=0\n)\n',
  )
})

test('staging modules are taken from where they are published, in a block or alone; other replacements stay out', () => {
  const upstream = `go 1.26.0
replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/client-go => ./staging/src/k8s.io/client-go
	example.org/local => ../local
)
replace k8s.io/kubectl => ./staging/src/k8s.io/kubectl
`
  const lines = generatedGoMod({ ...plain, staging: 'v0.37.0' }, upstream).split('\n')
  expect(lines.filter((line) => line.startsWith('replace'))).toEqual([
    'replace k8s.io/api => k8s.io/api v0.37.0',
    'replace k8s.io/client-go => k8s.io/client-go v0.37.0',
    'replace k8s.io/kubectl => k8s.io/kubectl v0.37.0',
  ])
  expect(generatedGoMod(plain, upstream)).not.toContain('replace')
})

test('replacements of the recipe', () => {
  const text = generatedGoMod({ ...plain, replace: { 'example.org/gone': 'v1.0.1' } }, 'go 1.26\n')
  expect(text).toContain('replace example.org/gone => example.org/gone v1.0.1\n')
})

test('replacements of go.mod by something published are kept where the recipe says so, and yield to its own', () => {
  const upstream = `go 1.26.0
replace (
	example.org/api => ./api
	example.org/a => example.org/fork/a v1.2.3
	example.org/b v1.0.0 => example.org/b v2.0.0 // why
)
replace example.org/c => example.org/c v0.1.0
`
  const build = { ...plain, upstreamReplaces: true, replace: { 'example.org/c': 'v0.2.0' } }
  const lines = generatedGoMod(build, upstream).split('\n')
  expect(lines.filter((line) => line.startsWith('replace'))).toEqual([
    'replace example.org/a => example.org/fork/a v1.2.3',
    'replace example.org/b => example.org/b v2.0.0',
    'replace example.org/c => example.org/c v0.2.0',
  ])
})

test('every build of the lock that comes from Go names a released version', async () => {
  const builds = Object.values(parseLock(await readLockText()).builds).filter(
    (build) => build.recipe === 'go',
  )
  for (const { version } of builds) expect(version).toMatch(/^v\d+\.\d+\.\d+/)
})

test('a build dies with the run that started it', () => {
  expect(dyingWithUs(['go', 'build'])).toEqual(['setpriv', '--pdeathsig', 'KILL', '--', 'go', 'build'])
})
