import { readdir } from 'node:fs/promises'
import { z } from 'zod'
import { budgets } from '../../helpers/budgets.ts'
import { messageOf } from '../../helpers/errors.ts'
import { CommandError, lastLines, run } from '../../helpers/exec.ts'
import { hasSysResource, readText } from './facts.ts'

/** What the Docker daemon says about itself. */
export interface DockerServer {
  version: string
  client: string
  /** Of the machine where containers run, which need not be ours (Docker Desktop, DOCKER_HOST). */
  cgroupVersion: 1 | 2
  defaultRuntime: string
  rootless: boolean
  operatingSystem: string
  kernel: string
  arch: string
  cpus: number
  memoryMiB: number
  /** Where it keeps images and containers, on its own machine. */
  rootDir: string
  /** Whether the daemon is this machine's own: the default socket, and neither a virtual machine nor a remote host. */
  local: boolean
}

/** One look at Docker: it answers, or why not. */
export type DockerLook =
  | { state: 'answers'; server: DockerServer }
  | { state: 'no-client'; seen: string }
  | { state: 'denied'; seen: string; endpoint: string }
  | { state: 'hangs'; seen: string; endpoint: string }
  | { state: 'silent'; seen: string; endpoint: string; custom: boolean }

const infoSchema = z.object({
  ServerVersion: z.string().default(''),
  CgroupVersion: z.string().default('1'),
  DefaultRuntime: z.string().default('runc'),
  SecurityOptions: z.array(z.string()).nullish(),
  OperatingSystem: z.string().default(''),
  KernelVersion: z.string().default(''),
  Architecture: z.string().default(''),
  NCPU: z.number().default(0),
  MemTotal: z.number().default(0),
  DockerRootDir: z.string().default(''),
  ClientInfo: z.object({ Version: z.string().default(''), Context: z.string().default('default') }).nullish(),
})

/** Asks the daemon once. Never throws, changes nothing. */
export async function lookAtDocker(budgetMs: number = budgets.dockerAnswerMs.ms): Promise<DockerLook> {
  const endpoint = process.env['DOCKER_HOST'] ?? ''
  try {
    const { stdout, stderr, exitCode } = await run(['docker', 'info', '--format', '{{json .}}'], {
      timeoutMs: budgetMs,
      allowFailure: true,
    })
    if (exitCode === 127) return { state: 'no-client', seen: 'no `docker` in PATH' }
    const info = infoSchema.safeParse(parseJson(stdout))
    if (info.success && info.data.ServerVersion !== '') {
      return { state: 'answers', server: serverOf(info.data, endpoint) }
    }
    return silence(lastLines(stderr, 3).trim(), endpoint, info.data?.ClientInfo?.Context)
  } catch (error) {
    if (error instanceof CommandError && error.timedOut) {
      return { state: 'hangs', seen: `no answer to \`docker info\` within ${budgetMs / 1000} s`, endpoint }
    }
    return { state: 'no-client', seen: messageOf(error) }
  }
}

/** @param context undefined when the client can't even say which one it uses */
function silence(seen: string, endpoint: string, context: string | undefined): DockerLook {
  if (/permission denied/i.test(seen)) return { state: 'denied', seen, endpoint }
  const custom = endpoint !== '' || context !== 'default'
  const named = context ?? process.env['DOCKER_CONTEXT'] ?? 'its current one'
  return { state: 'silent', seen, endpoint: endpoint === '' ? `context ${named}` : endpoint, custom }
}

function serverOf(info: z.output<typeof infoSchema>, endpoint: string): DockerServer {
  const context = info.ClientInfo?.Context ?? 'default'
  return {
    version: info.ServerVersion,
    client: info.ClientInfo?.Version ?? '',
    cgroupVersion: info.CgroupVersion === '2' ? 2 : 1,
    defaultRuntime: info.DefaultRuntime,
    rootless: (info.SecurityOptions ?? []).some((option) => option.includes('rootless')),
    operatingSystem: info.OperatingSystem,
    kernel: info.KernelVersion,
    arch: info.Architecture,
    cpus: info.NCPU,
    memoryMiB: Math.floor(info.MemTotal / 2 ** 20),
    rootDir: info.DockerRootDir,
    local: process.platform === 'linux' && endpoint === '' && context === 'default',
  }
}

/**
 * Whether the daemon process of this machine has CAP_SYS_RESOURCE. Undefined when we can't see it: in a job container
 * with a mounted socket our own capabilities say nothing about the daemon's.
 */
export async function daemonHasSysResource(): Promise<boolean | undefined> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name))
  const found = await Promise.all(
    pids.map(async (pid) => ((await readText(`/proc/${pid}/comm`))?.trim() === 'dockerd' ? pid : undefined)),
  )
  const pid = found.find((each) => each !== undefined)
  const status = pid === undefined ? undefined : await readText(`/proc/${pid}/status`)
  return status === undefined ? undefined : hasSysResource(status)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
