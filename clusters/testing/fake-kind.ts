import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../helpers/exec.ts'

/** Containers that look like kind's, for tests of deletion that need no Kubernetes. */
export const sleeperImage = 'cni-conformance/test-sleeper'

/** Builds the image that fake nodes run, and in place of Node.js the server outside; without a network, in a second. */
export async function buildSleeper(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'cnic-sleeper-'))
  const source = join(import.meta.dirname, 'sleeper.go')
  await run(['go', 'build', '-o', join(dir, 'sleeper'), source], { env: { CGO_ENABLED: '0', GOFLAGS: '' } })
  await writeFile(
    join(dir, 'Dockerfile'),
    'FROM scratch\nCOPY sleeper /sleeper\nCOPY sleeper /bin/node\nVOLUME /var\nENTRYPOINT ["/sleeper"]\n',
  )
  await run(['docker', 'build', '-q', '-t', sleeperImage, dir], { env: { DOCKER_BUILDKIT: '0' } })
  await rm(dir, { recursive: true })
}

/** A shell script with kind's way of working: a network, then nodes one by one, with kind's label. */
export function fakeKindScript(nodes: number): string {
  return [
    '#!/bin/sh',
    '# create cluster --name NAME --config FILE --image IMAGE ...',
    'name=$4; image=$8',
    'docker network create "$KIND_EXPERIMENTAL_DOCKER_NETWORK" >/dev/null || exit 1',
    'echo " • Preparing nodes 📦  ..." >&2',
    ...Array.from({ length: nodes }, (_, index) => {
      const node = index === 0 ? 'control-plane' : `worker${index}`
      return `docker run -d --name "$name-${node}" --label io.x-k8s.kind.cluster="$name" --net "$name" "$image" >/dev/null || exit 1`
    }),
    '',
  ].join('\n')
}

/** A cluster of somebody else: one container with kind's label, on a network of its name. */
export async function makeForeignCluster(name: string): Promise<void> {
  await run(['docker', 'network', 'create', name])
  const label = `io.x-k8s.kind.cluster=${name}`
  await run([
    'docker',
    'run',
    '-d',
    '--name',
    `${name}-control-plane`,
    '--label',
    label,
    '--net',
    name,
    sleeperImage,
  ])
}

/** Names of containers and networks that begin like this. */
export async function tracesLike(prefix: string): Promise<string[]> {
  const list = async (...argv: string[]): Promise<string[]> =>
    (await run(['docker', ...argv])).stdout.split('\n').filter((name) => name.startsWith(prefix))
  return [
    ...(await list('ps', '-a', '--format', '{{.Names}}')),
    ...(await list('network', 'ls', '--format', '{{.Name}}')),
  ].toSorted()
}
