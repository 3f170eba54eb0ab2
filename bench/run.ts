import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { median } from 'simple-statistics'
import { loadDefinitions } from '../clusters/definition.ts'
import { ensureDocker } from '../clusters/host/docker.ts'
import { lookAtDocker } from '../clusters/host/docker-look.ts'
import { defaultCacheDir, prepareImages } from '../clusters/images/prepare.ts'
import { kindConfigYaml } from '../clusters/kind-config.ts'
import { run } from '../helpers/exec.ts'
import { silentProgress } from '../helpers/progress.ts'
import { line, summary, timed } from './stats.ts'

/**
 * A whole warm run, create to delete, beside a bare script that makes the same cluster with the same images: kind
 * create, apply Flannel, wait, delete. In turn, five times each.
 */

const rounds = Number(process.argv[2] ?? 5)
const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
const [cluster] = await loadDefinitions(['flannel'])
if (cluster === undefined) throw new Error('no flannel')
const { definition } = cluster
const common = { install: true, cacheDir: defaultCacheDir(), progress: silentProgress }
const { shim } = await ensureDocker(common)
const images = await prepareImages(
  { kubernetes: definition.kubernetes, cni: definition.cni },
  { ...common, provider: { kind: 'auto' }, ...(shim === undefined ? {} : { shim }) },
)
const folder = await mkdtemp(join(tmpdir(), 'cni-conformance-bench-'))
const name = 'bare-script'

async function bareScript(): Promise<void> {
  const kubeconfig = join(folder, 'kubeconfig')
  const kind = (...args: string[]) =>
    run([images.kindBinary, ...args, '--name', name, '--kubeconfig', kubeconfig], {
      env: { KIND_EXPERIMENTAL_DOCKER_NETWORK: name },
    })
  const kubectl = (...args: string[]) => run(['kubectl', '--kubeconfig', kubeconfig, ...args])
  try {
    await kind('create', 'cluster', '--image', images.nodeImage, '--config', join(folder, 'kind.yaml'))
    await kubectl('apply', '-f', images.manifests['kube-flannel.yml'] ?? '')
    await kubectl('-n', 'kube-flannel', 'rollout', 'status', 'daemonset', 'kube-flannel-ds')
    await kubectl('wait', '--for=condition=Ready', 'node', '--all')
    await kubectl('-n', 'kube-system', 'rollout', 'status', 'deployment', 'coredns')
  } finally {
    await kind('delete', 'cluster')
    await run(['docker', 'network', 'rm', name], { allowFailure: true })
  }
}

const docker = await lookAtDocker()
const cgroupVersion = docker.state === 'answers' ? docker.server.cgroupVersion : 2
await writeFile(join(folder, 'kind.yaml'), kindConfigYaml(definition, { cgroupVersion, shim }))
const ours: number[] = []
const bare: number[] = []
for (let round = 0; round < rounds; round++) {
  ours.push((await timed(() => run([process.execPath, main, 'test', 'flannel', '-q']))) / 1000)
  bare.push((await timed(bareScript)) / 1000)
  console.error(
    `round ${round + 1}: ours ${ours.at(-1)?.toFixed(1)} s, bare script ${bare.at(-1)?.toFixed(1)} s`,
  )
}
await rm(folder, { recursive: true })
line('warm run, create to delete', summary(ours, 's', 1), '<= 65 s')
line('bare script with the same images', summary(bare, 's', 1), '-')
line('ratio of the medians', (median(ours) / median(bare)).toFixed(2), '<= 1.25')
