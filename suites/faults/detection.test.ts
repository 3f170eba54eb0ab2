import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { budgets } from '../../helpers/budgets.ts'
import { attach, readLegHandle, type LegHandle } from '../../helpers/leg-handle.ts'
import { checks } from '../catalogue.ts'
import { faults } from './catalogue.ts'
import { detect } from './detect.ts'
import { unmetNeed } from './fault.ts'
import { recordRow } from './measured.ts'

/** Ids of the faults that this run makes, with blanks between; all of them unless said. */
const chosen = process.env['FAULTS']?.split(' ').filter((id) => id !== '')
const unknown = chosen?.filter((id) => !faults.some((fault) => fault.id === id)) ?? []
if (unknown.length > 0) throw new Error(`FAULTS names no fault of the catalogue: ${unknown.join(', ')}`)

/** Where rows that are exact are written down; nowhere unless said. */
const folder = process.env['DETECTION_RECORD']

describe('detection matrix', () => {
  const leg = inject('leg')
  let handle: LegHandle
  let attached: Awaited<ReturnType<typeof attach>>

  beforeAll(async () => {
    if (leg.state === 'failed') throw new Error(`${leg.cluster}: ${leg.reason}`)
    handle = await readLegHandle(leg.handleFile)
    attached = await attach(handle)
  }, budgets.agentHelloMs.ms)

  afterAll(() => attached.close())

  for (const fault of faults.filter(({ id }) => chosen?.includes(id) ?? true)) {
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
        if (folder !== undefined) await recordRow(folder, { cluster: leg.cluster, handle }, detection)
      },
      // A test that is cut off leaves its fault to the next one; on a busy machine the longest takes four minutes.
      15 * budgets.faultMs.ms,
    )
  }
})
