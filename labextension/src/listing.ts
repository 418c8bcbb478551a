/**
 * What the panel knows about the gateway, and how an answer or a failure changes it. Pure: no network, no clock.
 */

import type { IOffer, IOverview, ISession } from './gateway';

/**
 * - `loading`: nothing was answered yet
 * - `ready`: the lists are those of the gateway
 * - `not-running`: there is no gateway; that is no fault
 * - `failed`: the gateway, or the way to it, reports an error
 * - `offline`: the Jupyter server itself does not answer
 */
export type Condition =
  'loading' | 'ready' | 'not-running' | 'failed' | 'offline';

export interface IListing {
  readonly condition: Condition;
  /** The error's sentence when `failed`, else empty. */
  readonly message: string;
  /** The last that were answered; older than now unless `ready`. */
  readonly offers: readonly IOffer[];
  readonly sessions: readonly ISession[];
}

export const NOTHING_YET: IListing = {
  condition: 'loading',
  message: '',
  offers: [],
  sessions: []
};

export function afterAnswer(overview: IOverview): IListing {
  const { gateway, offers, sessions } = overview;
  const condition = gateway === 'running' ? 'ready' : 'not-running';
  return { condition, message: '', offers, sessions };
}

/** Keeps the lists: what was there a moment ago is better than nothing, as long as it is shown as old. */
export function afterFailure(
  before: IListing,
  condition: 'failed' | 'offline',
  message: string
): IListing {
  return { ...before, condition, message };
}
