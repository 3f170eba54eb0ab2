import { z } from 'zod'
import { budgets, type Budget } from './budgets.ts'

/** How much is asked, and how long that may take: the network is not held to it, and a run that took longer says so. */

export const profileSchema = z.enum(['smoke', 'core', 'extended'])
export type Profile = z.infer<typeof profileSchema>

/** From the moment when the fixtures run to the last outcome. */
export const profileBudgets: Readonly<Record<Profile, Budget>> = {
  smoke: budgets.smokeMs,
  core: budgets.coreMs,
  extended: budgets.extendedMs,
}
