import { coverageFaults } from './coverage-faults.ts'
import { dnsFaults } from './dns-faults.ts'
import { egressFaults } from './egress-faults.ts'
import { entryFaults } from './entry-faults.ts'
import type { Fault } from './fault.ts'
import { lifeFaults } from './life-faults.ts'
import { loadFaults } from './load-faults.ts'
import { lookFaults } from './look-faults.ts'
import { nodeFaults } from './node-faults.ts'
import { pathFaults } from './path-faults.ts'
import { podFaults } from './pod-faults.ts'
import { podPathFaults } from './pod-path-faults.ts'
import { policyFaults } from './policy-faults.ts'
import { serviceFaults } from './service-faults.ts'
import { serviceLifeFaults } from './service-life-faults.ts'
import { statusFaults } from './status-faults.ts'
import { tunnelFaults } from './tunnel-faults.ts'
import { workloadFaults } from './workload-faults.ts'

/** Every fault that the suite can make, with the checks that it must turn red. */
export const faults: readonly Fault[] = [
  ...pathFaults,
  ...coverageFaults,
  ...podPathFaults,
  ...nodeFaults,
  ...egressFaults,
  ...entryFaults,
  ...loadFaults,
  ...dnsFaults,
  ...serviceFaults,
  ...podFaults,
  ...statusFaults,
  ...policyFaults,
  ...lifeFaults,
  ...serviceLifeFaults,
  ...lookFaults,
  ...tunnelFaults,
  ...workloadFaults,
]
