import { UsageError } from '../../helpers/errors.ts'

/** An image reference, taken apart: `registry.k8s.io/kube-proxy:v1.37.0`. */
export interface ImageReference {
  host: string
  repository: string
  tag: string
}

/** Where a host's images are fetched instead; `*` stands for every host not named. */
export type Mirror = ReadonlyMap<string, string>

/** Takes a reference of lock.yaml apart; those always carry host and tag. */
export function parseReference(ref: string): ImageReference {
  const match = /^([^/]+)\/([^:@]+):([\w.-]+)$/.exec(ref)
  const [, host, repository, tag] = match ?? []
  if (host === undefined || repository === undefined || tag === undefined)
    throw new Error(`${ref} must be host/repository:tag`)
  return { host, repository, tag }
}

const target = /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?(\/[a-z0-9._-]+)*$/

/**
 * Understands `--registry-mirror`: `HOST[/PREFIX]` for every registry, or `docker.io=HOST[/PREFIX],ghcr.io=...`.
 *
 * @throws {UsageError} naming each part that can't be one
 */
export function parseMirror(text: string | undefined): Mirror {
  const problems: string[] = []
  const mirror = new Map<string, string>()
  for (const part of text?.split(',') ?? []) {
    const equals = part.indexOf('=')
    const from = equals === -1 ? '*' : part.slice(0, equals)
    const to = part.slice(equals + 1).replace(/\/+$/, '')
    if (!target.test(to) || (from !== '*' && !target.test(from)))
      problems.push(
        `--registry-mirror ${JSON.stringify(part)}: must be HOST[:PORT][/PREFIX] or REGISTRY=HOST[:PORT][/PREFIX], without a scheme`,
      )
    else if (mirror.has(from))
      problems.push(
        `--registry-mirror names ${from === '*' ? 'two mirrors for every registry' : `${from} twice`}`,
      )
    mirror.set(from, to)
  }
  if (problems.length > 0) throw new UsageError(problems)
  return mirror
}

/** Host and repository from which a reference is really fetched. */
export function mirrored(ref: string, mirror: Mirror): string {
  const { host, repository } = parseReference(ref)
  return `${mirror.get(host) ?? mirror.get('*') ?? host}/${repository}`
}

/** Where the registry API of a repository's host answers. Docker Hub's images are called docker.io but live elsewhere. */
export function apiAddress(repository: string): string {
  const host = repository.slice(0, repository.indexOf('/'))
  if (host === 'docker.io') return 'https://registry-1.docker.io/v2/'
  // Docker itself speaks plain HTTP to registries of this machine alone.
  const scheme = /^(localhost|127\.[\d.]+)(:|$)/.test(host) ? 'http' : 'https'
  return `${scheme}://${host}/v2/`
}
