import type { TranslationBundle } from '@jupyterlab/translation';
import { Button } from '@jupyterlab/ui-components';
import React from 'react';

import type { IListing } from './listing';

interface INoticeProps {
  readonly listing: IListing;
  readonly trans: TranslationBundle;
  readonly onRetry: () => void;
}

/** What is, and what to do, whenever the lists are not simply those of the gateway. */
export function Notice(props: INoticeProps): React.ReactElement {
  const { listing, trans, onRetry } = props;
  const troubled =
    listing.condition === 'failed' || listing.condition === 'offline';
  return (
    <div role="status" className="farcell-Notice">
      {sentences(listing, trans).map(sentence => (
        <p key={sentence}>{sentence}</p>
      ))}
      {troubled && (
        <Button className="jp-mod-styled jp-mod-accept" onClick={onRetry}>
          {trans.__('Try again')}
        </Button>
      )}
    </div>
  );
}

function sentences(listing: IListing, trans: TranslationBundle): string[] {
  switch (listing.condition) {
    case 'ready':
      return [];
    case 'loading':
      return [trans.__('Looking for a gateway…')];
    case 'not-running':
      return [
        trans.__('No gateway is running.'),
        trans.__(
          'It starts with the first %1 cell. To use one elsewhere, type %2 in a terminal.',
          '%%gpu',
          'farcell login URL'
        )
      ];
    case 'failed':
      return [trans.__('The gateway reports an error.'), listing.message];
    case 'offline':
      return [
        trans.__('The Jupyter server does not answer.'),
        trans.__(
          'Far sessions go on without it. It is asked again by itself; if it was stopped, start it again.'
        )
      ];
  }
}
