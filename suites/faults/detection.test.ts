import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { budgets } from '../../helpers/budgets.ts'
import { attach, readLegHandle } from '../../helpers/leg-handle.ts'
import { checks } from '../catalogue.ts'
import { faults } from './catalogue.ts'
import { detect } from './detect.ts'
import { unmetNeed } from './fault.ts'

describe('detection matrix', () => {
  const leg = inject('leg')
  let attached: Awaited<ReturnType<typeof attach>>

  beforeAll(async () => {
    if (leg.state === 'failed') throw new Error(`${leg.cluster}: ${leg.reason}`)
    attached = await attach(await readLegHandle(leg.handleFile))
  }, budgets.agentHelloMs.ms)

  afterAll(() => attached.close())

  for (const fault of faults) {
    test(
      `${fault.id} turns exactly its checks red, and healing makes all green`,
      async ({ skip }) => {
        const context = { ...attached, world: await attached.session.world() }
        const unmet = unmetNeed(fault, context)
        if (unmet !== undefined) skip(unmet)
        const detection = await detect(fault, checks, context)
        expect(detection.vacuous).toBeUndefined()
        expect(detection.wrong).toEqual([])
        expect(detection.red.length).toBeGreaterThan(0)
        expect(detection.unhealed).toEqual([])
      },
      4 * budgets.faultMs.ms,
    )
  }
})
