import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/**
 * The environment of a command that finds a stand-in for Docker's client, one that takes its time to say that a daemon
 * answers: so there is something to end. Its caches and leases are below `folder`, too.
 */
export async function slowDocker(folder: string, seconds: number): Promise<Record<string, string>> {
  const bin = join(folder, `docker-in-${seconds}`)
  await mkdir(bin, { recursive: true })
  const info =
    '{"ServerVersion":"28.0.0","CgroupVersion":"2","DefaultRuntime":"runc","NCPU":4,"MemTotal":16000000000}'
  await writeFile(join(bin, 'docker'), `#!/bin/sh\nsleep ${seconds}\necho '${info}'\n`)
  await chmod(join(bin, 'docker'), 0o755)
  return {
    PATH: `${bin}${delimiter}${process.env['PATH']}`,
    XDG_STATE_HOME: join(folder, 'state'),
    XDG_CACHE_HOME: join(folder, 'cache'),
    // Not this machine's: what its disk and its kernel have is nobody's business here.
    DOCKER_HOST: 'tcp://127.0.0.1:1',
  }
}
