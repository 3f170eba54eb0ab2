import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { bytesOfTree, memoryIn } from './memory-meter.ts'

test('both versions of memory.stat, without the page cache', () => {
  const one = 'cache 900\nrss 1\nshmem 2\ntotal_cache 900\ntotal_rss 100\ntotal_rss_huge 7\ntotal_shmem 20\n'
  expect(memoryIn(one, 3)).toBe(123)
  expect(memoryIn('anon 100\nfile 900\nkernel 3\nkernel_stack 1\nshmem 20\n', 0)).toBe(123)
  expect(memoryIn('', 0)).toBe(0)
})

test('what a process started counts with it', async () => {
  const holds =
    "const held = Buffer.alloc(200 * 2 ** 20, 1); process.stdout.write('x'); process.stdin.resume()"
  const starts = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(holds)}], { stdio: 'inherit' })`
  const child = spawn(process.execPath, ['-e', starts], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  expect(await bytesOfTree(child.pid ?? 0)).toBeGreaterThan(230 * 2 ** 20)
  child.stdin.end()
  await once(child, 'exit')
  expect(await bytesOfTree(child.pid ?? 0)).toBe(0)
})
