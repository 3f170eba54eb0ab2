import { awaitFixtures } from '../../helpers/fixtures.ts'
import type { FaultContext } from './fault.ts'

/** Waits for all fixture pods that a fault has taken away or made anew, and opens their control streams again. */
export async function fixturesBack({ kube, world, session, workers }: FaultContext): Promise<void> {
  const { namespaces, hosts, portPods } = world
  await awaitFixtures(kube, {
    namespaces,
    workers,
    hostNetwork: hosts.length > 0,
    hostPort: portPods.length > 0,
  })
  await session.reconnect()
}
