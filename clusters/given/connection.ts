import { KubeConfig, VersionApi } from '@kubernetes/client-node'
import { within } from '../../helpers/await.ts'
import { budgets } from '../../helpers/budgets.ts'
import { SetupError, UsageError, messageOf } from '../../helpers/errors.ts'
import { managedLabel, runLabel } from '../../helpers/fixture-pods.ts'
import { apiMessage, connectKube, type Kube, type Marks } from '../../helpers/kube.ts'
import { shown } from '../../helpers/shown.ts'
import { suggestion } from '../../helpers/suggest.ts'
import { guardOf, permissionsFor, type Housing } from './permissions.ts'

/** How a cluster that is not ours is reached. Nothing is ever taken from the environment: the file is always named. */

/** A user's kubeconfig and the context in it. */
export interface GivenContext {
  kubeconfig: string
  context: string
  /** Address of its API server. */
  server: string
  /** Name of the user in the kubeconfig. */
  user: string
}

/**
 * Reads a kubeconfig and chooses the context.
 *
 * @param context its current one where it is undefined
 * @throws {UsageError} for a file that is none, and a context that is not in it
 */
export function readContext(kubeconfig: string, context: string | undefined): GivenContext {
  const config = new KubeConfig()
  try {
    config.loadFromFile(kubeconfig)
  } catch (error) {
    throw new UsageError(`--kubeconfig: ${kubeconfig} cannot be read: ${messageOf(error).split('\n')[0]}`)
  }
  const known = config.getContexts().map(({ name }) => name)
  const wanted = context ?? config.getCurrentContext()
  if (wanted === '' || wanted === undefined)
    throw new UsageError(`--context: ${kubeconfig} has no current context; known are ${known.join(', ')}`)
  if (!known.includes(wanted)) {
    const what = `${kubeconfig} has no context ${shown(wanted)}`
    throw new UsageError(
      `--context: ${what}; ${known.length === 0 ? 'it has none' : suggestion(wanted, known)}`,
    )
  }
  config.setCurrentContext(wanted)
  const [cluster, user] = [config.getCurrentCluster(), config.getCurrentUser()]
  if (cluster === null || !URL.canParse(cluster.server))
    throw new UsageError(`--context: the cluster of context ${shown(wanted)} in ${kubeconfig} has no address`)
  return { kubeconfig, context: wanted, server: cluster.server, user: user?.name ?? 'nobody' }
}

/** Annotation with the time, ISO 8601 in UTC, from which on anybody may delete what has it. */
export const expiresAnnotation = 'cni-conformance/expires'

/** What everything carries that a run makes on a cluster that is not ours. */
export const marksOf = (runId: string, expires: Date): Marks => ({
  labels: { ...managedLabel, [runLabel]: runId },
  annotations: { [expiresAnnotation]: expires.toISOString() },
})

/** When what has these annotations expires; undefined where they do not say it: then it never does. */
export function expiryOf(annotations: Readonly<Record<string, string>> | undefined): Date | undefined {
  const time = Date.parse(annotations?.[expiresAnnotation] ?? '')
  return Number.isNaN(time) ? undefined : new Date(time)
}

/** What a connection may do. */
export interface Access {
  housing: Housing
  /** Names of both fixture namespaces. */
  namespaces: readonly string[]
  /** Absent for a connection that makes nothing. */
  marks?: Marks
}

/** Clients of a cluster that is not ours, which let nothing through that the printed role does not have. */
export function connectGiven(
  { kubeconfig, context, server }: GivenContext,
  { housing, namespaces, marks }: Access,
): Kube {
  const guard = guardOf(permissionsFor(housing), namespaces, server)
  return connectKube(kubeconfig, { context, guard, ...(marks === undefined ? {} : { marks }) })
}

/**
 * Asks the API server for its version: it is there, and takes this user.
 *
 * @returns such as v1.37.0
 * @throws {SetupError} when it does not answer within its budget, or takes the user for nobody
 */
export async function serverVersion(kube: Kube, { server, context, user }: GivenContext): Promise<string> {
  try {
    const asking = kube.config.makeApiClient(VersionApi).getCode()
    return (await within(asking, budgets.givenAnswerMs)).gitVersion
  } catch (error) {
    const seen = apiMessage(error)
    const what = seen.startsWith('HTTP') ? `does not take user ${user}` : 'does not answer'
    throw new SetupError({
      what: `the API server ${server} of context ${context} ${what}`,
      seen,
      next: 'look whether `kubectl --kubeconfig … --context … version` works from this machine',
      cause: error,
    })
  }
}
