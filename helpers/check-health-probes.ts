import { z } from 'zod'
import { name } from './check-steps.ts'
import { expectedSchema } from './check-verdicts.ts'
import { balancedName } from './fixture-services.ts'

/** Who asks the nodes of a Service which of them can be sent its traffic, as a load balancer does. */
export const healthProbeSchema = z.strictObject({
  from: name.describe('A pod of the check, or outside: the server outside the cluster.'),
  healthOf: z
    .literal(balancedName)
    .describe(
      'Its healthCheckNodePort is asked over HTTP at every node: 200 where a ready endpoint of it is, 503 elsewhere.',
    ),
  expect: expectedSchema,
})
export type HealthProbe = z.infer<typeof healthProbeSchema>
