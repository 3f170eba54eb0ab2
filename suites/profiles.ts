import picomatch from 'picomatch'
import type { Check } from '../helpers/check.ts'
import type { Profile } from '../helpers/profiles.ts'

/** Which checks are in which profile. */

/**
 * The paths that every workload uses, over TCP and UDP, from two nodes: what is broken altogether, these say within
 * seconds. They need fixture pods on two nodes, and nothing of the nodes themselves.
 */
const smoke: readonly string[] = [
  'pod-to-pod/{same-node,cross-node}/{tcp,udp}',
  'service/cluster-ip/{tcp,udp}',
  'dns/service-ip/service-{tcp,udp}',
  'egress/api-server/cluster-ip',
]

const isSmoke = picomatch([...smoke])

/** Is a check asked in this profile? Each has all of the one before; a user's own are in the one of their level. */
export function isInProfile(
  profile: Profile,
  { id, level, own }: Pick<Check, 'id' | 'level' | 'own'>,
): boolean {
  if (profile === 'extended') return true
  if (level !== 'core') return false
  return profile === 'core' || own === true || isSmoke(id)
}
