import type { PlannedProbe } from './planned.ts'

/** Which questions of a check give the silence of another one its meaning: those that share its way and must be answered. */

/** Gives each probe that needs controls those of the same check. */
export const linkControls = (probes: readonly PlannedProbe[]): PlannedProbe[] =>
  probes.map((planned) => {
    const isControl = controlOf(planned)
    if (isControl === undefined) return planned
    const controls = probes.filter((other) => other.probe.expect === 'reached' && isControl(other))
    return { ...planned, controls: controls.flatMap(({ questions }) => questions) }
  })

/** What a control of this probe is; undefined where it needs none. */
function controlOf({
  target,
  from,
  probe,
  host,
}: PlannedProbe): ((other: PlannedProbe) => boolean) | undefined {
  if (target !== undefined) return (other) => other.target === target && other.from !== from
  if (!('service' in probe) || probe.expect !== 'timed-out' || host === undefined) return undefined
  return (other) =>
    other.host === host &&
    other.from === from &&
    'service' in other.probe &&
    other.probe.protocol === probe.protocol
}
