import { conformance } from '../helpers/conformance.ts'
import { dnsChecks } from './dns.checks.ts'

conformance('DNS', dnsChecks)
