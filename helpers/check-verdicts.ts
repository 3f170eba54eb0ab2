import { z } from 'zod'

/** What a probe can end in. Expected and observed are the same type; without positive evidence it is `unknown`. */
export const verdictSchema = z.enum([
  'reached',
  'timed-out',
  'refused',
  'unreachable',
  'no-such-name',
  'wrong-peer',
  'wrong-answer',
  'unknown',
])
export type Verdict = z.infer<typeof verdictSchema>

/** What a probe may expect. Nobody can expect to learn nothing. */
export const expectedSchema = verdictSchema.exclude(['unknown']).default('reached')
