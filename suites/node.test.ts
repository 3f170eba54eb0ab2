import { conformance } from '../helpers/conformance.ts'
import { nodeChecks } from './node.checks.ts'

conformance('node', nodeChecks)
