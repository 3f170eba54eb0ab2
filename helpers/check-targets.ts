import { isIP } from 'node:net'
import { z } from 'zod'

/** What checks of a user's own may ask beside the fixture pods: a Service or a host of theirs. */

/** Names of Kubernetes: a Service begins with a letter, a namespace may begin with a digit. */
const serviceName = z
  .string()
  .regex(/^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected the name of a Service, such as my-db')
const namespaceName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'expected the name of a namespace, such as prod')

/**
 * A last label that begins with a letter: `127.1` and `0x7f000001` are addresses to getaddrinfo, and not those that
 * stand there.
 */
const hostName =
  /^(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.?$/i

/** To the pod that asks these are its own addresses, or nobody's: an answer would say nothing about a network. */
const ownAddress =
  /^(127\.|0\.|2(2[4-9]|[3-5]\d)\.|::1?$|(0{1,4}:){7}0{0,3}[01]$|::ffff:|ff|fe[89ab])|^localhost\.?$|\.localhost\.?$/i

const host = z.string().superRefine((text, context) => {
  const add = (message: string): void => context.addIssue({ code: 'custom', message })
  if (isIP(text) === 0 && !hostName.test(text))
    add('expected an IP address or a DNS name, such as db.example.com')
  else if (ownAddress.test(text))
    add('expected the address of another host: this one is the pod itself, or of no single host')
})

const port = z
  .int()
  .min(1, 'expected a port from 1 to 65535')
  .max(65_535, 'expected a port from 1 to 65535')
  .describe('The port that is asked; of a Service its port, not its target port.')

const protocol = z
  .enum(['tcp', 'udp', 'http'])
  .describe('tcp: a connection. http: any HTTP status. udp: any datagram that comes back.')

export const targetSchema = z.union([
  z.strictObject({ service: serviceName, namespace: namespaceName, port, protocol }),
  z.strictObject({ host: host.describe('IP address, or a name as pods resolve it.'), port, protocol }),
])
/** A Service or host of the user's. It has no agent: that it answers can be seen, who answers cannot. */
export type Target = z.infer<typeof targetSchema>
export type TargetInput = z.input<typeof targetSchema>
