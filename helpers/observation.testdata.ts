import type { Observation } from './observation.ts'

/** Of a probe that was to be answered, for tests of what is made of verdicts. */
export const observationOf = (verdict: Observation['verdict'], detail?: string): Observation => ({
  probe: 'a -> b',
  from: { name: 'a' },
  to: { name: 'b' },
  via: 'pod-ip',
  protocol: 'tcp',
  expected: 'reached',
  verdict,
  attempts: 1,
  asked: 1,
  answered: 0,
  peers: [],
  ...(detail === undefined ? {} : { detail }),
})
