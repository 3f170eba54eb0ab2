import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * File of one of our own modules that is started or loaded by its path: TypeScript in the checkout, JavaScript in the
 * package, where Node.js runs no TypeScript.
 *
 * @param name path of the module without its extension, relative to the one that asks
 * @param from `import.meta.url` of the module that asks
 */
export function ownModule(name: string, from: string): string {
  return fileURLToPath(new URL(`${name}${extname(from)}`, from))
}
