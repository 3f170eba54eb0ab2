#!/usr/bin/env node
// The door to cli/main.ts. Plain JavaScript, because Node takes 70 ms to start its type stripper for a TypeScript
// entry, while what is imported from here comes stripped and compiled out of the cache.
import { enableCompileCache, registerHooks } from 'node:module'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'

// The user's own folder: Node's default lies in /tmp, where another user could leave code for us to run.
// The XDG Base Directory Specification says to ignore relative paths.
const configured = process.env['XDG_CACHE_HOME'] ?? ''
const cacheHome = isAbsolute(configured) ? configured : join(homedir(), '.cache')
enableCompileCache(join(cacheHome, 'cni-conformance', 'compile'))

// zod brings its messages in 60 languages, one file each: a sixth of the time to a refusal. It falls back to English,
// and we use none of them but that.
registerHooks({
  resolve(specifier, context, next) {
    return next(specifier === '../locales/index.js' ? '../locales/en.js' : specifier, context)
  },
})

const { main } = await import('./main.ts')
process.exitCode = await main(process.argv.slice(2))
