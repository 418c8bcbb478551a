import { ServerConnection } from '@jupyterlab/services';
import { VDomModel } from '@jupyterlab/ui-components';
import { Poll } from '@lumino/polling';

import type { IOverview } from './gateway';
import { afterAnswer, afterFailure, NOTHING_YET } from './listing';
import type { IListing } from './listing';
import type { IGatewayModel } from './tokens';

const INTERVAL_MS = 5_000;
const LONGEST_INTERVAL_MS = 60_000;

/** Asks every five seconds; rarer, up to a minute, while that fails; not at all while the page is hidden. */
export class GatewayModel extends VDomModel implements IGatewayModel {
  constructor(request: () => Promise<IOverview>) {
    super();
    this._request = request;
    this._poll = new Poll({
      name: 'farcell:overview',
      auto: false,
      factory: () => this._ask(),
      frequency: {
        interval: INTERVAL_MS,
        backoff: true,
        max: LONGEST_INTERVAL_MS
      },
      standby: 'when-hidden'
    });
  }

  get listing(): IListing {
    return this._listing;
  }

  async start(): Promise<void> {
    await this._poll.start();
  }

  async refresh(): Promise<void> {
    await this._poll.refresh();
    await this._poll.tick;
  }

  override dispose(): void {
    this._poll.dispose();
    super.dispose();
  }

  private async _ask(): Promise<void> {
    try {
      this._show(afterAnswer(await this._request()));
    } catch (reason) {
      const offline = reason instanceof ServerConnection.NetworkError;
      const message = reason instanceof Error ? reason.message : String(reason);
      this._show(
        afterFailure(this._listing, offline ? 'offline' : 'failed', message)
      );
      throw reason; // the poll backs off
    }
  }

  private _show(listing: IListing): void {
    if (!this.isDisposed) {
      this._listing = listing;
      this.stateChanged.emit();
    }
  }

  private readonly _request: () => Promise<IOverview>;
  private readonly _poll: Poll;
  private _listing = NOTHING_YET;
}
