import { z } from 'zod'
import {
  unreadLook,
  type CniLook,
  type LookContext,
  type Trace,
  type TracedPod,
} from '../../helpers/network-look.ts'
import { interfaceTraces, linksIn, showLinks } from '../../helpers/node-facts.ts'
import { outputOf, runEach, type Said } from '../../helpers/nodes.ts'

/** Where host-local, to which Flannel's plugin hands a pod's address over, keeps one file for each. */
const addressFolder = '/var/lib/cni/networks/cbr0'

/**
 * Prints all that the CNI library remembers of the pods of a node, as one list: Flannel's plugin has no list of its own.
 * https://www.cni.dev/docs/spec/#del-remove-container-from-network-or-un-apply-modifications
 */
const showResults: readonly string[] = [
  'bash',
  '-c',
  'set -o pipefail; shopt -s nullglob; cat /dev/null /var/lib/cni/results/cbr0-* | jq --compact-output --slurp .',
]

const resultsSchema = z.array(
  z.object({
    cniArgs: z.array(z.tuple([z.string(), z.string()])),
    result: z.object({ ips: z.array(z.object({ address: z.string() })).default([]) }),
  }),
)

interface Remembered {
  pod: string
  uid: string | undefined
  addresses: string[]
}

function resultsIn(said: Said): Remembered[] {
  return resultsSchema.parse(JSON.parse(outputOf(said))).map(({ cniArgs, result }) => {
    const args = new Map(cniArgs)
    return {
      pod: `${args.get('K8S_POD_NAMESPACE')}/${args.get('K8S_POD_NAME')}`,
      uid: args.get('K8S_POD_UID'),
      addresses: result.ips.map(({ address }) => address.replace(/\/\d+$/, '')),
    }
  })
}

async function traces({ runOnNode }: LookContext, pod: TracedPod): Promise<Trace[]> {
  const said = await runEach(runOnNode, pod.node, {
    links: showLinks,
    results: showResults,
    addresses: ['ls', addressFolder],
  })
  const results = resultsIn(said.results)
  // Its address may be another pod's by now.
  const given = results.some(({ uid, addresses }) => uid !== pod.uid && addresses.includes(pod.ip))
  const addresses = outputOf(said.addresses).split('\n')
  return [
    ...interfaceTraces(linksIn(said.links), pod),
    ...results
      .filter(({ uid }) => uid === pod.uid)
      .map(({ pod }): Trace => ({ kind: 'endpoint', name: `result of the CNI plugin for ${pod}` })),
    ...addresses
      .filter((address) => address === pod.ip && !given)
      .map((address): Trace => ({ kind: 'address', name: `${addressFolder}/${address}` })),
  ]
}

/** How Flannel is looked at. */
export const look: CniLook = {
  workloads: [{ kind: 'DaemonSet', namespace: 'kube-flannel', name: 'kube-flannel-ds' }],
  node: async () => unreadLook('not looked at yet'),
  traces,
}
