import { conformance } from '../helpers/conformance.ts'
import { networkPolicyChecks } from './network-policy.checks.ts'

conformance('network policy', networkPolicyChecks)
