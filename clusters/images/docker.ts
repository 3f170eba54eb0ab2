import { budgets } from '../../helpers/budgets.ts'
import { SetupError } from '../../helpers/errors.ts'
import { run } from '../../helpers/exec.ts'
import { runStep, shortHash } from './tools.ts'

const reachDocker = 'check that `docker info` works, then run the same command again'

/** Options of every Docker command: what is tried, and how it is cancelled. */
export interface DockerOptions {
  what: string
  signal?: AbortSignal
}

/** `docker <args>` on images or containers, within the budget of a large image. */
export async function docker(args: readonly string[], options: DockerOptions): Promise<string> {
  const step = { ...options, next: reachDocker, budget: budgets.dockerImageMs }
  return (await runStep(['docker', ...args], step)).stdout.trim()
}

/**
 * Content id of an image that is in the daemon, undefined where it isn't.
 *
 * @throws {SetupError} when the daemon doesn't answer: "not there" must not be said of an image that nobody looked for
 */
export async function imageId(ref: string, signal?: AbortSignal): Promise<string | undefined> {
  const argv = ['docker', 'image', 'inspect', '--format', '{{.Id}}', ref]
  const options = {
    allowFailure: true,
    timeoutMs: budgets.dockerAnswerMs.ms,
    ...(signal === undefined ? {} : { signal }),
  }
  const answer = await run(argv, options)
  if (answer.exitCode === 0) return answer.stdout.trim()
  signal?.throwIfAborted()
  if (/no such image|not found/i.test(answer.stderr)) return undefined
  throw new SetupError({
    what: `could not ask Docker for the image ${ref}`,
    seen: answer.stderr,
    next: reachDocker,
  })
}

/** Our name for a node image from which others are derived. */
export function nodeBaseRef(content: unknown): string {
  return `cni-conformance/node-base:${shortHash(content)}`
}

/** Brings an archive into the daemon, unless the image it holds is there already. */
export async function loadImage(ref: string, archive: string, signal?: AbortSignal): Promise<void> {
  if ((await imageId(ref, signal)) !== undefined) return
  await runStep(['docker', 'load', '--quiet', '--input', archive], {
    what: 'load the node image into Docker',
    next: 'check that `docker info` works and that its disk has 2 GB free, then run the same command again',
    budget: budgets.dockerImageMs,
    ...(signal === undefined ? {} : { signal }),
  })
}
