import { budgets } from '../../helpers/budgets.ts'
import { SetupError, messageOf } from '../../helpers/errors.ts'
import { run } from '../../helpers/exec.ts'
import type { Progress } from '../../helpers/progress.ts'
import { configureShimRuntime, daemonConfigPath, shimRuntime } from './daemon-config.ts'
import { daemonHasSysResource, lookAtDocker } from './docker-look.ts'
import type { DockerLook, DockerServer } from './docker-look.ts'
import { reloadDockerd, startDockerd } from './dockerd.ts'
import { readHostFacts } from './facts.ts'
import type { HostFacts } from './facts.ts'
import { ensureShim, installShim, installedShim } from './shim.ts'

/** A Docker that answers. */
export interface Docker extends DockerServer {
  /** Path of the runc shim for the node image; undefined where containers get CAP_SYS_RESOURCE. */
  shim: string | undefined
}

/** How {@link ensureDocker} may bring Docker about. */
export interface DockerOptions {
  /** False forbids every change to the machine. */
  install: boolean
  cacheDir: string
  progress: Progress
  /** Asks the user yes or no; absent where nobody can answer, then we say what we do and do it. */
  ask?: (question: string) => Promise<boolean>
}

/**
 * Makes sure that Docker answers. A user's own Docker is used as it is; on a bare Debian machine, as root, it is
 * installed and started.
 *
 * @throws {SetupError} when there is none and none may or can be brought about
 */
export async function ensureDocker(options: DockerOptions): Promise<Docker> {
  const look = await lookAtDocker()
  if (look.state === 'answers') return await adopt(look.server, options)
  const unusable = problemOf(look)
  if (unusable !== undefined) throw unusable
  const facts = await readHostFacts()
  const commands = commandsFor(look, facts)
  const refusal = refusalOf(look, facts, options.install, commands)
  if (refusal !== undefined) throw refusal
  await agree(
    `Docker is not ${look.state === 'no-client' ? 'installed' : 'running'}. Set it up?`,
    commands,
    options,
  )
  const server = await options.progress.step('set up Docker', async (step) => {
    if (!(await hasPrograms())) await step.step('install docker.io', () => installPackages())
    if (!facts.capSysResource)
      await configureShimRuntime(await installShim(await ensureShim(options.cacheDir)))
    return await step.step('start the Docker daemon', (starting) =>
      startDockerd({ systemd: facts.systemd, step: starting }),
    )
  })
  return await adopt(server, options)
}

/** Takes a daemon as it is, except where it can't start privileged containers at all. */
async function adopt(server: DockerServer, options: DockerOptions): Promise<Docker> {
  const able = server.local ? await daemonHasSysResource() : undefined
  if (able !== false) return { ...server, shim: undefined }
  const shim = await ensureShim(options.cacheDir)
  if (server.defaultRuntime !== 'runc') return { ...server, shim }
  const commands = shimCommands('kill -HUP $(cat /var/run/docker.pid)')
  if (!options.install || process.getuid?.() !== 0) {
    throw new SetupError({
      what: 'Docker runs without CAP_SYS_RESOURCE and cannot start the privileged containers that are the nodes',
      seen: 'CAP_SYS_RESOURCE is not in the bounding set of dockerd, its default runtime is runc',
      next: `as root: ${commands.join('; ')}`,
    })
  }
  await agree(
    'Docker cannot start privileged containers here. Add a runtime shim to its configuration?',
    commands,
    options,
  )
  const changed = await options.progress.step('add the runtime shim to Docker', async (step) => {
    await configureShimRuntime(await installShim(shim))
    return await reloadDockerd(step, shimRuntime)
  })
  return { ...changed, shim }
}

/** Looks that no installation would mend. */
function problemOf(look: Exclude<DockerLook, { state: 'answers' }>): SetupError | undefined {
  const { seen } = look
  if (look.state === 'denied') {
    const next = 'sudo usermod -aG docker "$USER", then log in again; or run as root'
    return new SetupError({ what: 'no permission to use Docker', seen, next })
  }
  if (look.state === 'hangs') {
    return new SetupError({
      what: 'Docker does not answer',
      seen,
      next: 'restart Docker; `docker info` must answer',
    })
  }
  if (look.state === 'silent' && look.custom) {
    const next =
      'start it, or unset DOCKER_HOST and DOCKER_CONTEXT (`docker context use default`) to use the local Docker'
    return new SetupError({ what: `Docker at ${look.endpoint} does not answer`, seen, next })
  }
  return undefined
}

function refusalOf(
  look: DockerLook,
  facts: HostFacts,
  install: boolean,
  commands: string[],
): SetupError | undefined {
  const what = look.state === 'no-client' ? 'Docker is not installed' : 'Docker is not running'
  const seen = look.state === 'answers' ? '' : look.seen
  if (process.platform !== 'linux')
    return new SetupError({ what, seen, next: 'start Docker Desktop, Colima or OrbStack' })
  const debian = [facts.os.id, ...facts.os.like].includes('debian')
  if (look.state === 'no-client' && !debian) {
    return new SetupError({ what, seen, next: 'install it: https://docs.docker.com/engine/install/' })
  }
  if (!facts.root) return new SetupError({ what, seen, next: `as root: ${commands.join('; ')}` })
  if (!install)
    return new SetupError({
      what,
      seen,
      next: `--no-install forbids to set it up; by hand: ${commands.join('; ')}`,
    })
  return undefined
}

/** What we are about to do, as commands a person could type. */
function commandsFor(look: DockerLook, facts: HostFacts): string[] {
  return [
    ...(look.state === 'no-client' ? ['apt-get update', 'apt-get install -y docker.io'] : []),
    ...(facts.capSysResource ? [] : shimCommands()),
    facts.systemd ? 'systemctl start docker' : 'setsid dockerd >/var/log/dockerd.log 2>&1 &',
  ]
}

function shimCommands(...reload: string[]): string[] {
  const setting = `{"runtimes":{"${shimRuntime}":{"path":"${installedShim}"}},"default-runtime":"${shimRuntime}"}`
  return [
    `CGO_ENABLED=0 go build -o ${installedShim} clusters/host/runc-shim/main.go`,
    `merge ${setting} into ${daemonConfigPath}`,
    ...reload,
  ]
}

async function agree(question: string, commands: string[], options: DockerOptions): Promise<void> {
  const list = commands.map((command) => `    ${command}`).join('\n')
  if (options.ask === undefined) {
    options.progress.note(`${question.split('. ')[0]}. Doing what these commands would do:\n${list}`)
    return
  }
  if (await options.ask(`${question} This does what these commands would do:\n${list}\n`)) return
  throw new SetupError({ what: question.split('. ')[0] ?? question, next: `by hand: ${commands.join('; ')}` })
}

async function hasPrograms(): Promise<boolean> {
  const found = await Promise.all(
    ['docker', 'dockerd'].map((name) => run(['which', name], { allowFailure: true })),
  )
  return found.every((each) => each.exitCode === 0)
}

/** `docker-cli` is a package of its own from Debian 13 on, and only recommended there. */
async function installPackages(): Promise<void> {
  const apt = (...args: string[]): ReturnType<typeof run> =>
    run(['apt-get', '-y', '-o', 'DPkg::Lock::Timeout=120', ...args], {
      env: { DEBIAN_FRONTEND: 'noninteractive' },
      timeoutMs: budgets.packageInstallMs.ms,
    })
  try {
    await apt('update')
    const client = await run(['apt-cache', 'show', '--no-all-versions', 'docker-cli'], { allowFailure: true })
    const packages = [
      'docker.io',
      'iptables',
      'ca-certificates',
      ...(client.exitCode === 0 ? ['docker-cli'] : []),
    ]
    await apt('install', '--no-install-recommends', ...packages)
  } catch (cause) {
    throw new SetupError({
      what: 'could not install docker.io',
      seen: messageOf(cause),
      next: 'mend the package sources (/etc/apt) and try again, or install Docker by hand',
      cause,
    })
  }
}
