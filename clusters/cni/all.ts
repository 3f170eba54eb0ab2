import { flannel } from './flannel.ts'
import type { Cni } from './cni.ts'

/** The CNIs that can be installed, by the name that a cluster definition uses. */
export const cnis: Readonly<Record<string, Cni>> = { flannel }
