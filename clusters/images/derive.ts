import { copyFile, link, mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { budgets } from '../../helpers/budgets.ts'
import type { Step } from '../../helpers/progress.ts'
import type { Cache } from './cache.ts'
import { docker, imageId } from './docker.ts'
import { withFileLock } from './file-lock.ts'
import { codeHash, runStep, sha256File, shortHash } from './tools.ts'

/** An archive to import: what `docker save` or our own builds write. */
export interface ImageFile {
  file: string
  /** `sha256:...` of the file. */
  sha256: string
  /** The name inside the archive, fully qualified. */
  nameInFile: string
  /** The name that pods ask for. */
  upstream: string
}

/** What a derived node image is made of. */
export interface DeriveRequest {
  /** Node image in the Docker daemon. */
  base: string
  images: readonly ImageFile[]
  /** Path on the node -> path of a program here. */
  nodeFiles: Readonly<Record<string, string>>
  /** Stand-in for runc, on hosts without CAP_SYS_RESOURCE. */
  shim?: string | undefined
}

const stage = '/kind/cni-conformance'

/**
 * Runs in the node image. containerd needs neither systemd nor a working runc to take images in; `--no-unpack`, as its
 * snapshots would have to live on the overlay of this container. kind's own build does the same.
 */
const importScript = `set -eu
cd ${stage}
if [ -e runc-shim ]; then
  # The shim becomes the first runc in PATH and looks for the next one: upstream's image has its only one there.
  if [ -e /usr/local/sbin/runc ]; then mv /usr/local/sbin/runc /usr/sbin/runc; fi
  cp runc-shim /usr/local/sbin/runc
  chmod 755 /usr/local/sbin/runc
fi
while read -r from to; do
  mkdir -p "$(dirname "$to")"
  cp "files/$from" "$to"
  chmod 755 "$to"
done < node-files
containerd > containerd.log 2>&1 &
daemon=$!
tries=0
until ctr version > /dev/null 2>&1; do
  tries=$((tries + 1))
  if [ "$tries" -gt 300 ] || ! kill -0 "$daemon" 2> /dev/null; then cat containerd.log >&2; exit 1; fi
  sleep 0.1
done
while read -r file name upstream; do
  echo "$upstream"
  ctr -n k8s.io images import --no-unpack --digests --platform "linux/$(cat arch)" "images/$file" > /dev/null
  if [ "$name" != "$upstream" ]; then
    ctr -n k8s.io images tag --force "$name" "$upstream" > /dev/null
    ctr -n k8s.io images rm "$name" > /dev/null
  fi
done < images.list
kill "$daemon"
wait "$daemon" || true
cd /
rm -rf ${stage}
`

const containerConfig = z.tuple([
  z.object({
    Config: z.object({ Entrypoint: z.array(z.string()).nullish(), Cmd: z.array(z.string()).nullish() }),
  }),
])

/**
 * Node image with the images and files of a run inside, made once per content: a cluster from it loads nothing.
 *
 * @returns reference of the image, `cni-conformance/node:<hash>`
 */
export async function deriveNodeImage(
  request: DeriveRequest,
  work: { cache: Cache; step: Step; signal: AbortSignal },
): Promise<string> {
  const key = shortHash([
    await imageId(request.base, work.signal),
    request.images.map(({ sha256, nameInFile, upstream }) => [sha256, nameInFile, upstream]),
    await Promise.all(
      Object.entries(request.nodeFiles).map(async ([path, file]) => [path, await sha256File(file)]),
    ),
    request.shim === undefined ? 'without shim' : await sha256File(request.shim),
    await codeHash(import.meta.url),
  ])
  const ref = `cni-conformance/node:${key}`
  const lock = join(work.cache.dir, 'locks', `derive-${key}`)
  const onWait = (): void => work.step.update('waiting for another process that is making the same')
  const make = async (): Promise<void> => {
    const name = `cni-conformance-derive-${key}`
    // We hold the lock of this key, so a container with its name belongs to a process that died.
    await removeContainer(name)
    if ((await imageId(ref, work.signal)) === undefined) await derive(ref, name, request, work)
  }
  await withFileLock(lock, make, { onWait, signal: work.signal })
  return ref
}

async function derive(
  ref: string,
  name: string,
  request: DeriveRequest,
  work: { cache: Cache; step: Step; signal: AbortSignal },
): Promise<void> {
  const options = { what: 'make the node image', signal: work.signal }
  const create = ['create', '--name', name, '--network', 'none', '--security-opt', 'seccomp=unconfined']
  try {
    const script = ['--entrypoint', '/bin/sh', request.base, `${stage}/import.sh`]
    await docker([...create, ...script], options)
    await work.cache.withTempDir('derive', async (temp) => {
      await stageFiles(join(temp, basename(stage)), request)
      work.step.update('copying images into it')
      await docker(['cp', join(temp, basename(stage)), `${name}:${dirname(stage)}`], options)
    })
    await runStep(['docker', 'start', '--attach', name], {
      ...options,
      next: 'run the same command again; if it fails the same way, report it with the lines above',
      budget: budgets.imageImportMs,
      onLine: (line, stream) => {
        if (stream === 'stdout') work.step.update(`importing ${line}`)
      },
    })
    work.step.update('committing')
    const changes = await originalCommand(request.base)
    await docker(['commit', ...changes.flatMap((change) => ['--change', change]), name, ref], options)
  } finally {
    await removeContainer(name)
  }
}

async function stageFiles(dir: string, request: DeriveRequest): Promise<void> {
  await mkdir(join(dir, 'images'), { recursive: true })
  await mkdir(join(dir, 'files'))
  await Promise.all(
    request.images.map(({ file }, index) => linkOrCopy(file, join(dir, 'images', String(index)))),
  )
  const lines = request.images.map(
    ({ nameInFile, upstream }, index) => `${index} ${nameInFile} ${upstream}\n`,
  )
  await writeFile(join(dir, 'images.list'), lines.join(''))
  const nodeFiles = Object.entries(request.nodeFiles)
  await Promise.all(nodeFiles.map(([, file], index) => linkOrCopy(file, join(dir, 'files', String(index)))))
  await writeFile(join(dir, 'node-files'), nodeFiles.map(([path], index) => `${index} ${path}\n`).join(''))
  if (request.shim !== undefined) await copyFile(request.shim, join(dir, 'runc-shim'))
  await writeFile(join(dir, 'arch'), process.arch === 'arm64' ? 'arm64' : 'amd64')
  await writeFile(join(dir, 'import.sh'), importScript)
}

/** A link costs nothing; an archive on another file system has to be copied. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => copyFile(from, to))
}

/** `docker commit` would keep the entrypoint of the import. */
async function originalCommand(base: string): Promise<string[]> {
  const answer = await docker(['image', 'inspect', base], { what: `read the configuration of ${base}` })
  const [{ Config }] = containerConfig.parse(JSON.parse(answer))
  return [`ENTRYPOINT ${JSON.stringify(Config.Entrypoint ?? [])}`, `CMD ${JSON.stringify(Config.Cmd ?? [])}`]
}

/** By name, not by label: a cluster's nodes inherit the labels of the image that they run. */
async function removeContainer(name: string): Promise<void> {
  const what = 'remove the container in which the node image was made'
  const ids = await docker(['ps', '--all', '--quiet', '--filter', `name=^/?${name}$`], { what })
  if (ids !== '') await docker(['rm', '--force', '--volumes', ...ids.split('\n')], { what })
}
