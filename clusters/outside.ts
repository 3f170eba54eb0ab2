import { randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { agentFiles } from '../helpers/agent/bundle.ts'
import { budgets } from '../helpers/budgets.ts'
import { messageOf, SetupError } from '../helpers/errors.ts'
import { run } from '../helpers/exec.ts'
import { programDirectory, serveCommand } from '../helpers/fixture-pods.ts'
import type { OutsideServer } from '../helpers/world.ts'
import type { Lease } from './lease.ts'
import { clusterLabel } from './teardown.ts'

/**
 * Starts a server outside the cluster: a container on the network of the nodes that is none of them and has no route to
 * the pods, so that an answer finds back only to an address that the nodes have. It belongs to the cluster's lease, by
 * its label, and goes with the cluster, however that ends. To be called when kind is done.
 *
 * @param image in the Docker daemon; has Node.js
 * @throws {SetupError} when Docker does not start it
 */
export async function startOutside(lease: Lease, image: string, signal: AbortSignal): Promise<OutsideServer> {
  const { cluster } = lease
  const container = `${cluster}-outside`
  const uid = randomUUID()
  const docker = async (argv: readonly string[]): Promise<string> => {
    const options = { env: lease.env, timeoutMs: budgets.containerStartMs.ms, signal }
    return (await run(['docker', ...argv], options)).stdout.trim()
  }
  const program = await writeProgram(lease)
  // Something is in the making again: whoever deletes after us in a hurry looks twice.
  await lease.record({ type: 'cluster', name: cluster })
  try {
    await docker(creation({ cluster, container, image, uid }))
    await docker(['cp', program, `${container}:${programDirectory}`])
    await docker(['start', container])
    const address = `{{(index .NetworkSettings.Networks "${cluster}").IPAddress}}`
    const ip = await docker(['inspect', '--format', address, container])
    await lease.record({ type: 'settled' })
    return { container, uid, ip }
  } catch (cause) {
    signal.throwIfAborted()
    throw new SetupError({
      what: 'the server outside the cluster did not start',
      seen: messageOf(cause),
      next: `look into \`docker logs ${container}\`; is the disk of Docker full?`,
      cause,
    })
  }
}

/** Docker copies it into the container: a daemon elsewhere could not mount it. */
async function writeProgram(lease: Lease): Promise<string> {
  const folder = join(lease.dir, 'outside')
  await mkdir(folder, { recursive: true })
  await Promise.all(Object.entries(agentFiles()).map(([name, text]) => writeFile(join(folder, name), text)))
  return folder
}

function creation(of: { cluster: string; container: string; image: string; uid: string }): string[] {
  const { cluster, container, image, uid } = of
  const env = {
    POD_UID: uid,
    POD_NAME: container,
    POD_NAMESPACE: 'outside',
    NODE_NAME: 'outside the cluster',
  }
  const [program = '', ...args] = serveCommand
  return [
    'create',
    '--name',
    container,
    '--hostname',
    'outside',
    '--label',
    `${clusterLabel}=${cluster}`,
    '--network',
    cluster,
    '--user',
    '1000:1000',
    '--cap-drop',
    'ALL',
    '--security-opt',
    'no-new-privileges',
    ...Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    '--entrypoint',
    program,
    image,
    ...args,
  ]
}
