import { appendFile, chmod, copyFile, cp, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { budgets } from '../../../helpers/budgets.ts'
import type { Entry } from '../cache.ts'
import type { Named, NodeImageArtefact } from '../lock.ts'
import { buildOf } from '../lock.ts'
import { packFolder, writeImageArchive } from '../oci.ts'
import { nodeBaseRef } from '../docker.ts'
import { codeHash, runStep, sha256File } from '../tools.ts'
import { imageFile } from './image.ts'
import type { Workshop } from './workshop.ts'

/** Units that upstream's Dockerfile removes: they start hardware, terminals and timers that a container doesn't have. */
const removedUnits: readonly [folder: string, pattern: RegExp][] = [
  ['lib/systemd/system/sysinit.target.wants', /^systemd-tmpfiles-setup\.service$/],
  ['lib/systemd/system/multi-user.target.wants', /./],
  ['lib/systemd/system/local-fs.target.wants', /./],
  ['lib/systemd/system/sockets.target.wants', /udev|initctl/],
  ['lib/systemd/system/basic.target.wants', /./],
]

/** kind applies this file on each new cluster. One class without a provisioner: its real one is an image we don't build. */
const storageManifest = `apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations:
    storageclass.kubernetes.io/is-default-class: "true"
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
`

/**
 * kindest/node without the images inside, as an archive for `docker load`. Facts: `digest`, `builtFrom` and `ref`, the
 * name that the archive brings: the upstream name stays free for the upstream image.
 */
export async function buildNodeImage(artefact: Named<NodeImageArtefact>, workshop: Workshop): Promise<Entry> {
  const { rootfs, overlay, files } = artefact.source
  const refs = [rootfs, overlay, ...Object.values(files)]
  const entries = await Promise.all([...new Set(refs.map(buildOf))].map((id) => workshop.build(id)))
  return await workshop.cache.entry({
    name: `node-${artefact.id}`,
    inputs: [
      artefact.source,
      artefact.version,
      entries.map((entry) => entry.digest),
      await codeHash(import.meta.url, '../oci.ts'),
    ],
    title: `put together the node image ${artefact.upstream}`,
    make: (dir, step) =>
      workshop.cache.withTempDir('node', async (temp) => {
        const root = join(temp, 'root')
        await mkdir(root)
        step.update('unpacking')
        await command([
          'tar',
          '--numeric-owner',
          '-xpf',
          await workshop.file(`${rootfs}/rootfs.tar`),
          '-C',
          root,
        ])
        await addFiles(root, artefact, workshop)
        await configureSystemd(root)
        await configureContainerd(root)
        await writeKindFiles(root, artefact.version)
        step.update('packing')
        const layer = join(temp, 'layer.tar')
        await packFolder(root, layer)
        // Plain: the Docker of Debian 12 (20.10) loads no zstd.
        const diffId = await sha256File(layer)
        const layers = [{ file: layer, diffId, compressed: false }]
        const ref = nodeBaseRef([diffId, nodeConfig])
        const image = { ref, layers, config: nodeConfig }
        const digest = await writeImageArchive(join(dir, imageFile), join(temp, 'layout'), image)
        return {
          digest,
          ref,
          builtFrom: entries.flatMap((entry) => entry.facts['builtFrom'] ?? []).join(', '),
        }
      }),
  })
}

/** The last lines of upstream's Dockerfile. systemd ends on SIGRTMIN+3; on SIGTERM it starts anew. */
const nodeConfig = {
  Entrypoint: ['/usr/local/bin/entrypoint', '/sbin/init'],
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'container=docker'],
  StopSignal: 'SIGRTMIN+3',
}

async function command(argv: readonly string[]): Promise<string> {
  const options = { what: 'put together the node image', next: 'needs root', budget: budgets.packMs }
  return (await runStep(argv, options)).stdout
}

async function addFiles(root: string, artefact: NodeImageArtefact, workshop: Workshop): Promise<void> {
  const overlay = await workshop.file(artefact.source.overlay)
  await cp(overlay, root, { recursive: true, force: true })
  await rm(join(root, 'LICENSES'), { recursive: true, force: true })
  for (const folder of ['usr/local/bin', 'kind/bin'])
    for (const name of await readdir(join(overlay, folder))) await chmod(join(root, folder, name), 0o755)
  for (const [target, ref] of Object.entries(artefact.source.files)) {
    await mkdir(join(root, dirname(target)), { recursive: true })
    await copyFile(await workshop.file(ref), join(root, target))
    await chmod(join(root, target), 0o755)
  }
  await mkdir(join(root, 'etc/kubernetes/manifests'), { recursive: true })
}

async function configureSystemd(root: string): Promise<void> {
  for (const [folder, pattern] of removedUnits) {
    const names = await readdir(join(root, folder)).catch(() => [])
    for (const name of names.filter((found) => pattern.test(found))) await rm(join(root, folder, name))
  }
  const units = join(root, 'etc/systemd/system')
  const wants = (await readdir(units)).filter((name) => name.endsWith('.wants'))
  for (const name of wants) await rm(join(units, name), { recursive: true })
  await appendFile(join(root, 'etc/systemd/journald.conf'), 'ReadKMsg=no\n')
  const systemctl = ['chroot', root, 'systemctl']
  await command([...systemctl, 'enable', 'kubelet.service', 'containerd.service', 'undo-mount-hacks.service'])
  // It registers interpreters in binfmt_misc, which belongs to the whole kernel.
  await command([...systemctl, 'mask', 'systemd-binfmt.service'])
}

/** What `ctr oci spec` prints, as far as it is changed here. */
const runtimeSpec = z.looseObject({
  hooks: z
    .looseObject({ createContainer: z.array(z.unknown()).default([]) })
    .default({ createContainer: [] }),
  process: z.looseObject({ rlimits: z.unknown().optional() }),
})

/** Each container starts from this specification: no limits of its own, and the node's product_uuid mounted over the host's. */
async function configureContainerd(root: string): Promise<void> {
  const spec = runtimeSpec.parse(JSON.parse(await command([join(root, 'usr/local/bin/ctr'), 'oci', 'spec'])))
  spec.hooks.createContainer.push({ path: '/kind/bin/mount-product-files.sh' })
  delete spec.process.rlimits
  await writeFile(join(root, 'etc/containerd/cri-base.json'), JSON.stringify(spec))
}

async function writeKindFiles(root: string, version: string): Promise<void> {
  await mkdir(join(root, 'kind/manifests'), { recursive: true })
  await writeFile(join(root, 'kind/version'), version)
  await writeFile(join(root, 'kind/manifests/default-storage.yaml'), storageManifest)
}
