import { budgets } from '../budgets.ts'
import { isHeavyProbe, isLastingProbe, type PathProbe, type ServiceProbe } from '../check-probes.ts'

/** What a wire probe over TCP is told of a silence. */
export const silent = ({ silence }: Pick<PathProbe, 'silence'>): { silentMs?: number } =>
  silence === undefined ? {} : { silentMs: silence * 1_000 }

/** Milliseconds until one connection of a probe is given up. */
export const timeLimitOf = (probe: PathProbe | ServiceProbe): number =>
  isLastingProbe(probe)
    ? (silent(probe).silentMs ?? 0) + budgets.heavyProbeMs.ms
    : (isHeavyProbe(probe) && 'to' in probe ? budgets.heavyProbeMs : budgets.probeMs).ms
