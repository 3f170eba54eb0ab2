import type { V1Pod } from '@kubernetes/client-node'
import { managedSelector } from './fixture-pods.ts'
import type { Kube } from './kube.ts'
import { Watched } from './watched.ts'

/** The pods that runs have made, this one and others that are going on: of the fixtures, and checks' own. */
export type RunPods = Watched<V1Pod>

/** Watches them until it is disposed of. */
export const watchRunPods = ({ config, core }: Kube): Promise<RunPods> =>
  Watched.open(config, {
    path: '/api/v1/pods',
    labelSelector: managedSelector,
    list: (labelSelector) => core.listPodForAllNamespaces({ labelSelector }),
  })
