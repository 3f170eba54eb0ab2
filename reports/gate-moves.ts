import type { Outcome, OutcomeKind } from '../helpers/observation.ts'
import type { ChangeKind, Effect } from './gate-model.ts'

/** What became of a check, by its outcome before and after: the table of `changeKinds`. */
export const moves: Readonly<
  Record<OutcomeKind | 'absent', Readonly<Record<OutcomeKind | 'absent', ChangeKind>>>
> = {
  passed: {
    passed: 'same',
    failed: 'regressed',
    expected: 'excused',
    unsupported: 'newly-unsupported',
    'not-run': 'lost',
    absent: 'lost',
  },
  expected: {
    passed: 'fixed',
    failed: 'regressed',
    expected: 'same',
    unsupported: 'newly-unsupported',
    'not-run': 'lost',
    absent: 'lost',
  },
  failed: {
    passed: 'fixed',
    failed: 'same',
    expected: 'excused',
    unsupported: 'newly-unsupported',
    'not-run': 'lost',
    absent: 'lost',
  },
  unsupported: {
    passed: 'newly-supported',
    failed: 'new-failure',
    expected: 'excused',
    unsupported: 'same',
    'not-run': 'undecided',
    absent: 'dropped',
  },
  'not-run': {
    passed: 'new',
    failed: 'new-failure',
    expected: 'new',
    unsupported: 'new',
    'not-run': 'same',
    absent: 'dropped',
  },
  absent: {
    passed: 'new',
    failed: 'new-failure',
    expected: 'new',
    unsupported: 'new',
    'not-run': 'undecided',
    absent: 'same',
  },
}

/** What each change does; `lost` and `same` depend on the outcome. */
const effectOf: Readonly<Record<ChangeKind, Effect>> = {
  regressed: 'red',
  'new-failure': 'red',
  lost: 'red',
  'newly-unsupported': 'red',
  slower: 'red',
  undecided: 'open',
  excused: 'loud',
  weakened: 'loud',
  dropped: 'loud',
  fixed: 'quiet',
  'newly-supported': 'quiet',
  new: 'quiet',
  same: 'quiet',
}

/**
 * What a change does to the gate.
 *
 * @param whenAbsent what it does when the later run does not have the check
 */
export function effectIn(
  change: ChangeKind,
  is: Pick<Outcome, 'outcome'> | undefined,
  whenAbsent: Effect,
): Effect {
  // A check that did not run says nothing about the network; one that is no longer asked is a loss for good.
  if (change === 'lost') return is === undefined ? whenAbsent : 'open'
  if (change === 'same' && is?.outcome === 'failed') return 'loud'
  if (change === 'same' && is?.outcome === 'not-run') return 'open'
  return effectOf[change]
}

/** A kind of change in words. */
export function wordsFor(kind: ChangeKind, effect: Effect): string {
  if (kind === 'same')
    return effect === 'loud' ? 'still failing' : effect === 'open' ? 'still not run' : 'same'
  return kind === 'new-failure' ? 'newly failing' : kind.replace('-', ' ')
}
