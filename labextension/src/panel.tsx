import type { TranslationBundle } from '@jupyterlab/translation';
import { VDomRenderer } from '@jupyterlab/ui-components';
import React from 'react';

import { farcellIcon } from './icon';
import { Notice } from './notice';
import { Offers } from './offers';
import { Sessions } from './sessions';
import type { IGatewayModel } from './tokens';

/** The sidebar: how the gateway is, what it offers, what runs. */
export class GatewayPanel extends VDomRenderer<IGatewayModel> {
  constructor(model: IGatewayModel, trans: TranslationBundle) {
    super(model);
    this._trans = trans;
    this.id = 'farcell-panel';
    this.title.icon = farcellIcon;
    this.title.caption = trans.__('Far GPUs');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Far GPUs'));
    this.addClass('farcell-Panel');
  }

  protected override render(): React.ReactElement {
    const { listing } = this.model;
    const trans = this._trans;
    const known = listing.condition === 'ready' || listing.offers.length > 0;
    return (
      <>
        <Notice
          listing={listing}
          trans={trans}
          onRetry={() => void this.model.refresh()}
        />
        {known && (
          <div className={listing.condition === 'ready' ? '' : 'farcell-old'}>
            <Offers offers={listing.offers} trans={trans} />
            <Sessions sessions={listing.sessions} trans={trans} />
          </div>
        )}
      </>
    );
  }

  private readonly _trans: TranslationBundle;
}
