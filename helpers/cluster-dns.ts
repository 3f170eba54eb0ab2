import { SetupError } from './errors.ts'
import { apiMessage, type Kube } from './kube.ts'

/**
 * ClusterIP of the cluster's DNS Service.
 *
 * @throws {SetupError} when there is none, or it may not be read
 */
export async function readClusterDns(kube: Kube): Promise<string> {
  const ip = await readDnsService(kube)
  if (ip !== undefined && ip !== '') return ip
  throw new SetupError({
    what: 'Service kube-dns has no ClusterIP',
    next: 'look at the Services of kube-system',
  })
}

async function readDnsService(kube: Kube): Promise<string | undefined> {
  try {
    const { spec } = await kube.core.readNamespacedService({ name: 'kube-dns', namespace: 'kube-system' })
    return spec?.clusterIP
  } catch (error) {
    throw new SetupError({
      what: 'the cluster DNS Service kube-system/kube-dns cannot be read',
      seen: apiMessage(error),
      next: 'a cluster whose DNS has another name cannot be checked yet; else look whether this user may read it',
      cause: error,
    })
  }
}
