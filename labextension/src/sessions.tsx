import type { TranslationBundle } from '@jupyterlab/translation';
import React from 'react';

import { formatDollars } from './formats';
import type { ISession, SessionState } from './gateway';
import { Section } from './section';

interface ISessionsProps {
  readonly sessions: readonly ISession[];
  readonly trans: TranslationBundle;
}

/** The user's sessions, with a word for their state and what they cost so far. */
export function Sessions(props: ISessionsProps): React.ReactElement {
  const { sessions, trans } = props;
  return (
    <Section
      id="farcell-sessions"
      title={trans.__('Sessions')}
      empty={trans.__(
        'No session yet. After %1, a cell that begins with %2 starts one.',
        '%load_ext farcell',
        '%%gpu H100'
      )}
    >
      {sessions.map(session => (
        <Session key={session.id} session={session} trans={trans} />
      ))}
    </Section>
  );
}

function Session(props: {
  readonly session: ISession;
  readonly trans: TranslationBundle;
}): React.ReactElement {
  const { session, trans } = props;
  const facts = [
    session.label,
    session.path,
    queueFact(session, trans),
    buildFact(session, trans)
  ];
  return (
    <li className={session.simulated ? 'farcell-simulated' : ''}>
      <div className="farcell-row">
        <strong>{session.name}</strong>
        <span className="farcell-state" data-state={session.state}>
          {stateWord(session.state, trans)}
        </span>
        <span>{formatDollars(session.cost_nanos)}</span>
      </div>
      <div className="farcell-facts">{facts.filter(Boolean).join(' · ')}</div>
    </li>
  );
}

function queueFact({ queue }: ISession, trans: TranslationBundle): string {
  return queue ? trans.__('place %1: %2', queue.place, queue.reason) : '';
}

function buildFact({ build }: ISession, trans: TranslationBundle): string {
  return build
    ? trans.__('step %1 of %2: %3', build.step, build.steps, build.what)
    : '';
}

function stateWord(state: SessionState, trans: TranslationBundle): string {
  const words: Record<SessionState, string> = {
    building: trans.__('building its image'),
    queued: trans.__('queued'),
    starting: trans.__('starting'),
    idle: trans.__('idle'),
    busy: trans.__('busy'),
    stopping: trans.__('stopping'),
    stopped: trans.__('stopped'),
    lost: trans.__('lost')
  };
  return words[state];
}
