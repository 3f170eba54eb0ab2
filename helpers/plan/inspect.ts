import { toolsPorts, type WireProbe } from '../agent/protocol.ts'
import { budgets } from '../budgets.ts'
import type { Check } from '../check.ts'
import type { InspectProbe } from '../check-probes.ts'
import { podEnd, type Ids, type PlannedProbe } from './planned.ts'
import type { WorldPod } from '../world.ts'

export function planInspect(check: Check, probe: InspectProbe, inside: WorldPod, ids: Ids): PlannedProbe {
  const timeoutMs = budgets.probeMs.ms
  const id = ids.next++
  const bind = (port: number): WireProbe => ({
    id,
    kind: 'bind',
    transport: 'tcp',
    host: '0.0.0.0',
    port,
    timeoutMs,
  })
  const wire: WireProbe =
    probe.inspect === 'port-in-use'
      ? bind(toolsPorts.http)
      : probe.inspect === 'port-free'
        ? bind(0)
        : { id, kind: 'facts', timeoutMs }
  return {
    check,
    probe,
    from: inside,
    inside,
    to: podEnd(inside, undefined),
    rests: [inside],
    mayAnswer: [],
    questions: [{ agent: inside.name, wire }],
  }
}
