import { chmod, chown, mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** What a layer gets besides copied files. */
export interface Extras {
  texts?: Record<string, string>
  links?: Record<string, string>
  /** Path -> octal mode, and `uid:gid` where it isn't root. */
  directories?: Record<string, string>
}

/** Writes texts, links and folders under `root`, with the modes and owners that they ask for. */
export async function writeExtras(root: string, extras: Extras): Promise<void> {
  for (const [path, text] of Object.entries(extras.texts ?? {})) {
    await mkdir(join(root, dirname(path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  for (const [path, target] of Object.entries(extras.links ?? {})) {
    await mkdir(join(root, dirname(path)), { recursive: true })
    await symlink(target, join(root, path))
  }
  for (const [path, access] of Object.entries(extras.directories ?? {})) {
    const [mode = '0755', owner = '0:0'] = access.split(' ')
    const [uid = 0, gid = 0] = owner.split(':').map(Number)
    const folder = join(root, path)
    await mkdir(folder, { recursive: true })
    await chown(folder, uid, gid)
    // After mkdir: its own mode is cut by the umask.
    await chmod(folder, Number.parseInt(mode, 8))
  }
}
