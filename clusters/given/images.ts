import { compare } from 'semver'
import { UsageError } from '../../helpers/errors.ts'
import { shown } from '../../helpers/shown.ts'
import { suggestion } from '../../helpers/suggest.ts'
import { parseLock, readLockText } from '../images/lock.ts'

/** The images of the fixture pods on a cluster that is not ours: the nodes themselves get them. */
export interface FixtureImages {
  node: string
  agnhost: string
}

const names = ['node', 'agnhost'] as const

/** A reference as container runtimes take it: registry, path, tag, digest. */
const reference = /^[a-z0-9][\w.:/@-]{0,400}$/i

/**
 * Understands `--fixture-image node=REF`, which may be given again.
 *
 * @throws {UsageError} with every problem found
 */
export function parseFixtureImages(flags: readonly string[]): Partial<FixtureImages> {
  const problems: string[] = []
  const images: Partial<FixtureImages> = {}
  for (const flag of flags) {
    const equals = flag.indexOf('=')
    const [key, value] = [flag.slice(0, Math.max(0, equals)), flag.slice(equals + 1)]
    const name = names.find((each) => each === key)
    if (equals === -1) problems.push(`--fixture-image: expected node=REF or agnhost=REF, got ${shown(flag)}`)
    else if (name === undefined)
      problems.push(`--fixture-image: unknown image ${shown(key)}; ${suggestion(key, names)}`)
    else if (!reference.test(value))
      problems.push(`--fixture-image: ${shown(value)} is no reference of an image`)
    else if (images[name] !== undefined) problems.push(`--fixture-image: ${name} is given twice`)
    else images[name] = value
  }
  if (problems.length > 0) throw new UsageError(problems)
  return images
}

/** The upstream references of the newest Kubernetes in lock.yaml. */
export async function upstreamFixtureImages(): Promise<FixtureImages> {
  const { kubernetes, artefacts } = parseLock(await readLockText())
  const [newest] = Object.keys(kubernetes).toSorted((a, b) => compare(b, a))
  const fixtures = kubernetes[newest ?? '']?.fixtures
  const refs = names.map((name) => artefacts[fixtures?.[name] ?? '']?.upstream)
  const [node, agnhost] = refs
  if (node === undefined || agnhost === undefined)
    throw new Error('lock.yaml names no images of the fixtures')
  return { node, agnhost }
}
