import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { formatHourlyPrice, formatMemory } from './formats';
import type { IOffer } from './gateway';
import { Section } from './section';

interface IOffersProps {
  readonly offers: readonly IOffer[];
  readonly trans: TranslationBundle;
}

/** What can be had now, and for how much. */
export function Offers({ offers, trans }: IOffersProps): React.ReactElement {
  return (
    <Section
      id="farcell-offers"
      title={trans.__('GPUs')}
      empty={trans.__(
        'This gateway offers nothing now. Its operator can add devices, or simulate them with %1.',
        'farcell serve --simulate H100:2'
      )}
    >
      {offers.map(offer => (
        <Offer
          key={`${offer.spawner}/${offer.name}`}
          offer={offer}
          trans={trans}
        />
      ))}
    </Section>
  );
}

function Offer(props: {
  readonly offer: IOffer;
  readonly trans: TranslationBundle;
}): React.ReactElement {
  const { offer, trans } = props;
  const facts = [
    formatMemory(offer.memory_bytes),
    trans.__('%1 per hour', formatHourlyPrice(offer.price_nanos_per_s)),
    trans.__(
      '%1, isolation: %2',
      offer.spawner,
      [...new Set([offer.isolation, ...offer.isolations])].join(', ')
    ),
    ...offer.mounts.map(mount => trans.__('with %1', mount))
  ];
  return (
    <li className={offer.simulated ? 'farcell-simulated' : ''}>
      <div className="farcell-row">
        <strong>{offer.label}</strong>
        <span>
          {trans.__('%1 of %2 free', offer.count_free, offer.count_total)}
        </span>
      </div>
      <div className="farcell-facts">{facts.join(' · ')}</div>
    </li>
  );
}
