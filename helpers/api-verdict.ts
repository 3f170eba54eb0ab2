import type { ApiProbe, Verdict } from './check-probes.ts'
import { fixtureService } from './fixture-services.ts'
import { listed } from './inspect.ts'
import type { Observation } from './observation.ts'
import { endpointsOf } from './plan/planned.ts'
import type { World } from './world.ts'

/** Objects of the API held against other objects of the API. Pure. */

/** The verdict on what the API server says of a Service. */
export function observeApi(probe: ApiProbe, world: World): Observation {
  const service = probe.endpointsOf
  const ready = world.services.get(service)?.ready ?? []
  const { bothFamilies } = fixtureService(service)
  const wanted = endpointsOf(world)
    .flatMap(({ ip, ips }) => (bothFamilies === true ? ips : [ip]))
    .toSorted()
  const alike = ready.join() === wanted.join()
  const verdict: Verdict = wanted.length === 0 ? 'unknown' : alike ? 'reached' : 'wrong-answer'
  const detail =
    verdict === 'unknown'
      ? 'no fixture pod is ready, so that nothing can be behind the Service'
      : `EndpointSlices hold ${listed(ready)}; ready are ${listed(wanted)}`
  return {
    probe: `EndpointSlices of ${service}`,
    from: { name: 'the API server' },
    to: { name: `${world.namespaces.main}/${service}` },
    via: 'api',
    protocol: 'none',
    expected: probe.expect,
    verdict,
    attempts: 1,
    asked: 1,
    answered: 1,
    peers: [],
    ...(verdict === probe.expect ? {} : { detail }),
  }
}
