import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SetupError } from '../../helpers/errors.ts'
import { run } from '../../helpers/exec.ts'
import { silentProgress } from '../../helpers/progress.ts'
import { openCache } from './cache.ts'
import { deriveNodeImage } from './derive.ts'
import type { DeriveRequest, ImageFile } from './derive.ts'
import { docker, imageId } from './docker.ts'
import { packFolder, writeImageArchive } from './oci.ts'
import { sha256File } from './tools.ts'

const { signal } = new AbortController()
const ourName = 'cni-conformance/image:derive-test'
const upstream = 'registry.example/fixture:v1'
/** A node image that the set-up of these tests has brought; making one takes minutes and is not what is tested here. */
const listed = await run(['docker', 'image', 'ls', '--format', '{{.Repository}}:{{.Tag}}'])
const base =
  ['cni-conformance/node-base:', 'cni-conformance/node:']
    .map((name) => listed.stdout.split('\n').find((each) => each.startsWith(name)))
    .find((each) => each !== undefined) ?? ''

let root = ''
const made = new Set<string>()

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cnic-derive-'))
})
afterAll(async () => {
  for (const ref of made) await docker(['image', 'rm', ref], { what: 'tidy up' })
  await rm(root, { recursive: true })
})

/** An image as the registry provider leaves it: saved by Docker, under a name of ours. */
async function savedImage(): Promise<ImageFile> {
  const folder = await mkdtemp(join(root, 'image-'))
  await mkdir(join(folder, 'root'))
  await writeFile(join(folder, 'root', 'content'), 'content')
  const layer = join(folder, 'layer.tar')
  await packFolder(join(folder, 'root'), layer)
  const layers = [{ file: layer, diffId: await sha256File(layer), compressed: false }]
  await writeImageArchive(join(folder, 'oci.tar'), join(folder, 'layout'), {
    ref: ourName,
    layers,
    config: {},
  })
  await docker(['load', '--input', join(folder, 'oci.tar')], { what: 'load a test image' })
  const file = join(folder, 'saved.tar')
  await docker(['save', '--output', file, ourName], { what: 'save a test image' })
  await docker(['image', 'rm', ourName], { what: 'tidy up' })
  return { file, sha256: await sha256File(file), nameInFile: `docker.io/${ourName}`, upstream }
}

async function program(text: string): Promise<string> {
  const path = join(await mkdtemp(join(root, 'program-')), 'program')
  await writeFile(path, `#!/bin/sh\necho ${text}\n`)
  return path
}

async function derived(request: Partial<DeriveRequest>): Promise<string> {
  const cache = await openCache(join(root, 'cache'), silentProgress)
  const whole = { base, images: [], nodeFiles: {}, ...request }
  const ref = await deriveNodeImage(whole, { cache, step: silentProgress, signal })
  made.add(ref)
  return ref
}

async function inImage(ref: string, script: string): Promise<string> {
  const argv = ['run', '--rm', '--network', 'none', '--entrypoint', '/bin/sh', ref, '-c', script]
  return await docker(argv, { what: 'look into the derived image' })
}

const listImages = `containerd > /dev/null 2>&1 &
until ctr version > /dev/null 2>&1; do sleep 0.1; done
ctr -n k8s.io images ls --quiet`

test('images come under their upstream names, programs to their places', async () => {
  const request = {
    images: [await savedImage()],
    nodeFiles: { '/opt/cni/bin/bridge': await program('bridge') },
    shim: await program('shim'),
  }
  const ref = await derived(request)
  const names = (await inImage(ref, listImages)).split('\n')
  expect(names).toContain(upstream)
  expect(names.filter((name) => name.includes('derive-test'))).toEqual([])
  const look = '/opt/cni/bin/bridge; runc; ls /kind; find / -xdev -name "*.tar" -size +1k'
  expect((await inImage(ref, look)).split('\n')).toEqual([
    'bridge',
    'shim',
    'README.txt',
    'bin',
    'manifests',
    'version',
  ])
  const config = JSON.parse(
    await docker(['image', 'inspect', '--format', '{{json .Config}}', ref], { what: 'inspect' }),
  )
  const original = JSON.parse(
    await docker(['image', 'inspect', '--format', '{{json .Config}}', base], { what: 'inspect' }),
  )
  for (const field of ['Entrypoint', 'Env', 'StopSignal']) expect(config[field]).toEqual(original[field])
  const started = performance.now()
  expect(await derived(request)).toBe(ref)
  expect(performance.now() - started).toBeLessThan(2_000)
})

test('what a killed run left of the same work is removed', async () => {
  const nodeFiles = { '/usr/local/bin/leftover': await program('leftover') }
  const ref = await derived({ nodeFiles })
  await docker(['image', 'rm', ref], { what: 'have it made again' })
  const key = ref.split(':')[1] ?? ''
  const left = await docker(['create', '--name', `cni-conformance-derive-${key}`, base], {
    what: 'leave a container',
  })
  const foreign = await docker(['create', '--name', `x-cni-conformance-derive-${key}`, base], {
    what: 'leave a foreign container',
  })
  expect(await derived({ nodeFiles })).toBe(ref)
  const all = await docker(['ps', '--all', '--quiet', '--no-trunc'], { what: 'list containers' })
  expect(all).not.toContain(left)
  expect(all).toContain(foreign)
  await docker(['rm', foreign], { what: 'tidy up' })
})

test('an image that cannot be imported is one clear error, and nothing stays', async () => {
  const file = join(root, 'broken.tar')
  await writeFile(file, 'no tar at all')
  const broken = { file, sha256: await sha256File(file), nameInFile: upstream, upstream }
  const failure = await derived({ images: [broken] }).catch((error: unknown) => error)
  expect(failure).toBeInstanceOf(SetupError)
  expect(String(failure)).toContain('could not make the node image')
  const left = await docker(['ps', '--all', '--quiet', '--filter', 'name=cni-conformance-derive-'], {
    what: 'list containers',
  })
  expect(left).toBe('')
  expect(await imageId('cni-conformance/image:derive-test')).toBeUndefined()
  expect(await readdir(join(root, 'cache', 'tmp'))).toEqual([])
})
