import { z } from 'zod'
import { name } from './check-steps.ts'
import { expectedSchema } from './check-verdicts.ts'

/** Probes of name resolution: of DNS servers, and of the resolver of a pod. */

/** One pod asks a DNS server; the answer is compared with the API object. */
export const dnsProbeSchema = z.strictObject({
  from: name,
  resolve: z
    .enum([
      'service',
      'own-service',
      'headless-service',
      'pod',
      'pod-hostname',
      'service-ipv6',
      'service-srv',
      'headless-srv',
      'service-ptr',
      'alias',
      'large',
      'nobody',
    ])
    .describe(
      "Whose record: A of the ClusterIP, of that of the Service that has the asking pod alone behind it, of all ready pods, of the pod's own address, of its hostname in a headless Service; AAAA; SRV of a port; PTR of a ClusterIP; CNAME of an ExternalName Service; more A records than UDP carries; A of a Service that does not exist.",
    ),
  of: name.optional().describe('The pod whose record is asked for; only of a pod.'),
  at: z.enum(['service-ip', 'every-dns-pod']),
  withinMs: z
    .int()
    .min(1)
    .max(5_000)
    .optional()
    .describe(
      'Milliseconds that half of the answers may take at most, of questions that are sent one after the other for eight seconds.',
    ),
  protocol: z.enum(['udp', 'tcp']),
  expect: expectedSchema,
})

/** One pod looks the Service `echo` up as programs do: through its resolv.conf and its search path. */
export const lookupProbeSchema = z.strictObject({
  from: name,
  lookup: z
    .enum(['bare', 'namespaced', 'with-svc', 'fqdn', 'absolute'])
    .describe(
      'By its name; with its namespace; with svc after that; with the domain of the cluster; with a final dot, which no search domain may follow. Over IPv4.',
    ),
  expect: expectedSchema,
})
