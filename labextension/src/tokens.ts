import type { VDomRenderer } from '@jupyterlab/ui-components';
import { Token } from '@lumino/coreutils';

import type { IListing } from './listing';

/** What the gateway offers and runs, kept up to date while the page is visible. */
export interface IGatewayModel extends VDomRenderer.IModel {
  readonly listing: IListing;

  /** Ask now, instead of at the next tick; resolves when the answer, or its failure, is in `listing`. */
  refresh(): Promise<void>;
}

export const IGatewayModel = new Token<IGatewayModel>(
  'farcell:IGatewayModel',
  'The offers and sessions of the Farcell gateway, as one model with a signal.'
);
