import type { Check } from '../helpers/check.ts'
import { cniChecks } from './cni.checks.ts'
import { coverageChecks } from './coverage.checks.ts'
import { dnsChecks } from './dns.checks.ts'
import { egressChecks } from './egress.checks.ts'
import { lifeCycleChecks } from './life-cycle.checks.ts'
import { loopbackChecks } from './loopback.checks.ts'
import { networkPolicyChecks } from './network-policy.checks.ts'
import { nodeChecks } from './node.checks.ts'
import { podToPodChecks } from './pod-to-pod.checks.ts'
import { podChecks } from './pod.checks.ts'
import { serviceChecks } from './service.checks.ts'

/** Every check of the suite, topic by topic, in the order of the reports. */
export const checks: readonly Check[] = [
  ...loopbackChecks,
  ...podChecks,
  ...podToPodChecks,
  ...coverageChecks,
  ...nodeChecks,
  ...egressChecks,
  ...serviceChecks,
  ...dnsChecks,
  ...cniChecks,
  ...lifeCycleChecks,
  ...networkPolicyChecks,
]
