#!/usr/bin/env node
// The door to cli/main.ts. Plain JavaScript, because Node takes 70 ms to start its type stripper for a TypeScript
// entry, while what is imported from here comes stripped and compiled out of the cache.
import { existsSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

// package.json says so, too, but npm only warns.
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 12)) {
  console.error(`cni-conformance needs Node.js 24.12 or newer, this is ${process.versions.node}`)
  process.exit(3)
}

// The user's own folder: Node's default lies in /tmp, where another user could leave code for us to run.
// The XDG Base Directory Specification says to ignore relative paths.
const configured = process.env['XDG_CACHE_HOME'] ?? ''
const cacheHome = isAbsolute(configured) ? configured : join(homedir(), '.cache')
nodeModule.enableCompileCache(join(cacheHome, 'cni-conformance', 'compile'))

// zod brings its messages in 60 languages, one file each: a sixth of the time to a refusal. It falls back to English,
// and we use none of them but that.
nodeModule.registerHooks({
  resolve(specifier, context, next) {
    return next(specifier === '../locales/index.js' ? '../locales/en.js' : specifier, context)
  },
})

// The checkout runs its sources, the package holds them built: Node.js runs no TypeScript below node_modules.
const source = new URL('main.ts', import.meta.url)
const { href } = existsSync(source) ? source : new URL('../dist/cli/main.js', import.meta.url)
const { main } = await import(href)
process.exitCode = await main(process.argv.slice(2))
