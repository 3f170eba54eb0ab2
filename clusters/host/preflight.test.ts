import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { SetupError } from '../../helpers/errors.ts'
import { silentProgress } from '../../helpers/progress.ts'
import { inotifyShortages } from './inotify.ts'
import { kernelFeatures, presenceOf } from './kernel.ts'
import type { KernelFeature, Presence } from './kernel.ts'
import { preflight } from './preflight.ts'
import type { PreflightMachine } from './preflight.ts'

const kernel = Object.fromEntries(Object.keys(kernelFeatures).map((id) => [id, 'present'])) as Record<
  KernelFeature,
  Presence
>
const enough: PreflightMachine = {
  memoryAvailableMiB: 16_000,
  diskFreeMiB: 100_000,
  inotify: { maxUserInstances: 1_024, maxUserWatches: 500_000, inUse: 10 },
  kernel,
  root: false,
}
const needs = { nodes: 3, install: true, progress: silentProgress }

const refused = async (
  machine: Partial<PreflightMachine>,
  more: Partial<typeof needs> & { kernel?: KernelFeature[] } = {},
): Promise<SetupError> => {
  const error: unknown = await preflight({ ...needs, ...more }, { ...enough, ...machine }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof SetupError)) throw new Error('was not refused')
  return error
}

test('a machine that has enough passes', async () => {
  await expect(preflight(needs, enough)).resolves.toBeUndefined()
  await expect(
    preflight(needs, { ...enough, diskFreeMiB: undefined, inotify: undefined, kernel: undefined }),
  ).resolves.toBeUndefined()
})

test('each shortage says what, how much, and what to do', async () => {
  expect((await refused({ memoryAvailableMiB: 1_500 })).message).toMatch(
    /not enough memory for 3 nodes\n.*1500 MiB available.*2824 MiB needed\n.*next/,
  )
  expect((await refused({ diskFreeMiB: 100 })).message).toMatch(
    /not enough disk space[^]*100 MiB free[^]*docker system/,
  )
  const low = { maxUserInstances: 64, maxUserWatches: 500_000, inUse: 10 }
  expect((await refused({ inotify: low })).message).toMatch(
    /max_user_instances is too low for 3 nodes[^]*64, needed 72[^]*sysctl -w fs.inotify.max_user_instances=1024/,
  )
  expect(
    (await refused({ kernel: { ...kernel, ipvs: 'absent' } }, { kernel: ['ipvs', 'vxlan'] })).message,
  ).toMatch(/kernel lacks IP_VS\n.*CONFIG_IP_VS/)
})

test('several shortages come in one message', async () => {
  const { what, next } = await refused({ memoryAvailableMiB: 1, diskFreeMiB: 1 })
  expect(what).toMatch(/memory.*; .*disk/)
  expect(next).toMatch(/workers; .*docker system/)
})

test('without permission to change anything the limit stays and its sysctl is named', async () => {
  const low = { maxUserInstances: 64, maxUserWatches: 500_000, inUse: 10 }
  expect((await refused({ inotify: low, root: true }, { install: false })).next).toContain('sysctl -w')
})

test('what a shortage asks for is enough', () => {
  const limits = fc.record({ maxUserInstances: fc.nat(2_000), maxUserWatches: fc.nat(1_000_000) })
  fc.assert(
    fc.property(limits, fc.integer({ min: 1, max: 30 }), fc.nat(500), (has, nodes, inUse) => {
      const raised = { ...has }
      for (const { sysctl, wanted } of inotifyShortages(has, nodes, inUse)) {
        raised[sysctl.endsWith('instances') ? 'maxUserInstances' : 'maxUserWatches'] = wanted
      }
      expect(inotifyShortages(raised, nodes, inUse)).toEqual([])
    }),
  )
})

test('a kernel has what is built in, and modules where there are files of them', () => {
  const config = 'CONFIG_VXLAN=y\nCONFIG_IP_VS=m\n# CONFIG_NET_IPIP is not set\nCONFIG_VXLAN_X=y\n'
  expect(['VXLAN', 'IP_VS', 'NET_IPIP', 'XLAN'].map((option) => presenceOf(option, config, true))).toEqual([
    'present',
    'present',
    'absent',
    'absent',
  ])
  expect(presenceOf('IP_VS', config, false)).toBe('absent')
})
