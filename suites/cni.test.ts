import { conformance } from '../helpers/conformance.ts'
import { cniChecks } from './cni.checks.ts'

conformance('cni', cniChecks)
