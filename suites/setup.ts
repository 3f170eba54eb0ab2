import type { TestProject } from 'vitest/node'
import { startHeldRun, type LegState } from '../helpers/held-run.ts'

declare module 'vitest' {
  interface ProvidedContext {
    leg: LegState
  }
}

/**
 * One run for all suites, on the cluster named by CNI (default flannel). Vitest shows the outcomes, it never owns the
 * cluster. Never throws: a throwing set-up stops every project and leaves a report with no tests in it.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const held = await startHeldRun(process.env['CNI'] ?? 'flannel')
  project.provide('leg', held.leg)
  return async () => {
    await held.stop()
  }
}
