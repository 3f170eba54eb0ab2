/**
 * A run reduced to its lease: opens it, creates a cluster by the kind of the first argument and the server outside it,
 * says so, and waits to be killed. Arguments: kind binary, cluster name, then what to do after the creation: `hold`, `keep`, `delete` or `leave`.
 */
import { once } from 'node:events'
import { silentProgress } from '../../helpers/progress.ts'
import { createCluster, deleteCluster } from '../kind.ts'
import type { KindSpec } from '../kind-config.ts'
import { openLease } from '../lease.ts'
import { startOutside } from '../outside.ts'
import { sleeperImage } from './fake-kind.ts'

const [kindBinary = '', cluster = '', then = 'hold'] = process.argv.slice(2)
const spec: KindSpec = {
  kubernetes: 'v1.37.0',
  nodes: { controlPlane: 1, workers: 2 },
  network: {
    ipFamily: 'ipv4',
    podSubnet: '10.244.0.0/16',
    serviceSubnet: '10.96.0.0/16',
    kubeProxy: 'iptables',
  },
}

const lease = await openLease({ cluster, purpose: 'a test' })
process.stdout.write('leased\n')
await createCluster(spec, { lease, kindBinary, image: sleeperImage, progress: silentProgress })
await startOutside(lease, sleeperImage, new AbortController().signal)
if (then === 'keep') await lease.keep()
process.stdout.write('created\n')
if (then === 'delete') {
  await deleteCluster(lease)
  process.stdout.write('deleted\n')
}
if (then === 'hold' || then === 'keep') await once(process.stdin.resume(), 'close')
