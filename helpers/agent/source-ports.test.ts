import { expect, test } from 'vitest'
import { SourcePorts, portTries, sourcePortCount } from './source-ports.ts'
import { Trial } from './trial.ts'

const taken = Object.assign(new Error('taken'), { code: 'EADDRINUSE', syscall: 'bind' })

test('no port comes again before all others, and none is one that the kernel or a NodePort takes', () => {
  const ports = new SourcePorts(sourcePortCount - 3)
  const seen = new Set(Array.from({ length: sourcePortCount }, () => ports.take()))
  expect(seen.size).toBe(sourcePortCount)
  expect(Math.min(...seen)).toBe(10_000)
  expect(Math.max(...seen)).toBe(29_999)
})

test('a taken port is passed over', async () => {
  const tried: number[] = []
  const trial = new Trial(1_000, new SourcePorts(0))
  trial.withSourcePort((port, failed) => {
    tried.push(port)
    if (tried.length < 3) failed(taken)
    else trial.end('answered')
  })
  await expect(trial.ending).resolves.toMatchObject({ end: 'answered' })
  expect(tried).toEqual([10_000, 10_001, 10_002])
})

test('when no port is to be had, that is no finding about the network', async () => {
  let tries = 0
  const trial = new Trial(1_000, new SourcePorts(0))
  trial.withSourcePort((_port, failed) => {
    tries += 1
    failed(taken)
  })
  await expect(trial.ending).resolves.toMatchObject({ end: 'local-error', detail: 'EADDRINUSE bind' })
  expect(tries).toBe(portTries)
})
