import type { Check } from '../helpers/check.ts'
import type { Coverage } from '../helpers/coverage/coverage.ts'
import type { EvidenceSource } from '../helpers/evidence.ts'
import type { SessionOptions } from '../helpers/session.ts'
import type { Cluster } from '../reports/model.ts'
import type { LegLog } from './run-log.ts'

/** What a run says of a cluster before anything is known of it. */
export type DeclaredCluster = Omit<Cluster, 'checksSha256'>

/** Where the cluster of a leg comes from: one is made for it, another stands already. What comes after is the same. */
export interface ClusterSource {
  cluster: DeclaredCluster
  /**
   * Brings the leg to a cluster on which its fixtures run.
   *
   * @param lend told how to end what is made, before anything of it exists
   * @throws {SetupError} when it does not come that far; there is evidence of why in the folder of the leg
   */
  stand(leg: LegRun, lend: (takeDown: TakeDown) => void): Promise<Standing>
}

/** What a leg is run with, wherever its cluster comes from. */
export interface LegRun {
  runId: string
  /** Folder of this leg within the report. */
  folder: string
  /** What it is for: it decides how many nodes get fixture pods. */
  checks: readonly Check[]
  log: LegLog
  /** Aborted by a signal or by --timeout. */
  signal: AbortSignal
  ask?: (question: string) => Promise<boolean>
  /** Tells the user a line, also one who wants no progress. */
  say: (line: string) => void
}

/** A cluster on which the fixtures run. */
export interface Standing {
  session: SessionOptions
  coverage: Coverage
  evidence: EvidenceSource
}

/** How the owner of a run ends what a leg has made. */
export interface TakeDown {
  /** "cluster cnic-flannel-1a2b", "namespaces a and b". */
  what: string
  /** What deletes it when {@link delete} could not. */
  byHand: string
  delete(): Promise<void>
  /** Leaves it to the user; returns how they reach and delete it. */
  keep(): Promise<string>
}
