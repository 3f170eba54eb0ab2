import { expect, inject, test } from 'vitest'
import { captureOnKindNode } from '../clusters/packets.ts'
import { budgets } from '../helpers/budgets.ts'
import { capturePaths, type Captures } from '../helpers/capture/capture.ts'
import type { Captured, StartCapture } from '../helpers/capture/captured.ts'
import { attach, readLegHandle } from '../helpers/leg-handle.ts'
import { checks as catalogue } from './catalogue.ts'
import { faults } from './faults/catalogue.ts'

/** Packets of a failed path, on the cluster of the suites. */

const arp = 0x0806

const checks = catalogue.filter(({ id }) => id === 'pod-to-pod/cross-node/tcp')

test(
  'where the overlay is dropped, the packet is seen at its sender and not at its receiver, and it is said where',
  async () => {
    const leg = inject('leg')
    if (leg.state === 'failed') throw new Error(`${leg.cluster}: ${leg.reason}`)
    const attached = await attach(await readLegHandle(leg.handleFile))
    const { session, workers } = attached
    const fault = faults.find(({ id }) => id === 'vxlan-dropped')
    if (fault === undefined) throw new Error('no such fault')
    const world = await session.world()
    const context = { ...attached, world }
    const kept: Captured[] = []
    const start: StartCapture = async (node, request) => {
      const running = await captureOnKindNode(node, request)
      return {
        async stop() {
          const captured = await running.stop()
          kept.push(captured)
          return captured
        },
      }
    }
    let captures: Captures
    try {
      await fault.inject(context, [])
      const failed = await session.run(checks)
      expect(failed.map(({ outcome }) => outcome)).toEqual(['failed'])
      captures = await capturePaths({ world, ask: (probes) => session.ask(probes), start }, checks, failed)
    } finally {
      await fault.heal(context)
      attached.close()
    }
    const [, second] = workers
    const conclusion = captures.conclusions.get('pod-to-pod/cross-node/tcp')
    const files = captures.files.get('pod-to-pod/cross-node/tcp')
    expect(conclusion ?? files?.text).toMatch(
      new RegExp(`the packet to .*/worker2-\\w .* never arrived at .*: lost on ${second}$`),
    )
    expect(files?.text).toContain(conclusion)
    expect(files?.pcapng?.length).toBeGreaterThan(500)
    expect(kept.map(({ gap }) => gap)).not.toContainEqual(expect.anything())
    // In the pods themselves: both ask, and neither gets anything.
    const inPods = kept.flatMap(({ packets }) => packets).filter(({ at }) => at !== 'node')
    expect(new Set(inPods.filter(({ out }) => out).map(({ node }) => node)).size).toBe(2)
    expect(inPods.filter(({ out, protocol }) => !out && protocol !== arp)).toEqual([])
  },
  budgets.faultMs.ms,
)
