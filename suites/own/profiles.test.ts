import { expect, test } from 'vitest'
import { isLight } from '../../helpers/check.ts'
import { profileSchema } from '../../helpers/profiles.ts'
import { checks } from '../catalogue.ts'
import { isInProfile } from '../profiles.ts'

const idsIn = (profile: (typeof profileSchema.options)[number]): string[] =>
  checks.filter((check) => isInProfile(profile, check)).map(({ id }) => id)

test('smoke is what every workload uses, and can be asked anywhere at the price of one batch', () => {
  expect(idsIn('smoke')).toEqual([
    'pod-to-pod/same-node/tcp',
    'pod-to-pod/same-node/udp',
    'pod-to-pod/cross-node/tcp',
    'pod-to-pod/cross-node/udp',
    'egress/api-server/cluster-ip',
    'service/cluster-ip/tcp',
    'service/cluster-ip/udp',
    'dns/service-ip/service-udp',
    'dns/service-ip/service-tcp',
  ])
  const smoke = checks.filter((check) => isInProfile('smoke', check))
  expect(smoke.filter((check) => !isLight(check) || check.features.length > 0)).toEqual([])
})

test('each profile has all of the one before; the last has all', () => {
  const [smoke, core, extended] = profileSchema.options.map(idsIn)
  expect(core).toEqual(expect.arrayContaining(smoke ?? []))
  expect(core).toEqual(checks.filter(({ level }) => level === 'core').map(({ id }) => id))
  expect(extended).toEqual(checks.map(({ id }) => id))
})

test("a user's own checks are in the profile of their level, also in the smallest", () => {
  const own = { id: 'mine/shop', own: true } as const
  expect(isInProfile('smoke', { ...own, level: 'core' })).toBe(true)
  expect(isInProfile('core', { ...own, level: 'extended' })).toBe(false)
})
