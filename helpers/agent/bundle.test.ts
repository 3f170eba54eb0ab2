import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { agentFiles, agentVersion, programModules } from './bundle.ts'

const files = agentFiles()

test('the program imports its own files and Node, nothing else', () => {
  const imported = Object.values(files).flatMap((text) =>
    [...text.matchAll(/^(?:import|export) .*from '([^']+)'$|^\} from '([^']+)'$/gm)].map(
      ([, one, many]) => one ?? many ?? '',
    ),
  )
  const own = imported.filter((name) => name.startsWith('.'))
  const others = imported.filter((name) => !name.startsWith('.'))
  expect(own.filter((name) => !(name.replace('./', '') in files))).toEqual([])
  expect(others.filter((name) => !builtinModules.includes(name.replace('node:', '')))).toEqual([])
  expect(own.length).toBeGreaterThan(10)
})

test('every module of the program is needed by it', () => {
  const text = Object.values(files).join('\n')
  const idle = programModules.filter((module) => !text.includes(`'./${module}.mjs'`))
  expect(idle).toEqual(['main'])
})

test('it fits into a ConfigMap many times over and has a version for a label', () => {
  expect(Buffer.byteLength(Object.values(files).join(''))).toBeLessThan(200_000)
  expect(agentVersion).toMatch(/^[0-9a-f]{12}$/)
})

test('no TypeScript is left, lines stay where they were', () => {
  const sources = readdirSync(import.meta.dirname).filter((name) =>
    programModules.some((module) => name === `${module}.ts`),
  )
  expect(sources).toHaveLength(programModules.length)
  for (const name of sources) {
    const source = readFileSync(join(import.meta.dirname, name), 'utf8')
    const text = files[name.replace(/\.ts$/, '.mjs')] ?? ''
    expect(text.split('\n')).toHaveLength(source.split('\n').length)
    expect(text).not.toMatch(/\.ts'|^export (interface|type) /m)
  }
})
