import React from 'react';

interface ISectionProps {
  readonly id: string;
  readonly title: string;
  /** Said in place of an empty list: what to do. */
  readonly empty: string;
  readonly children: React.ReactElement[];
}

/** A headed list. */
export function Section(props: ISectionProps): React.ReactElement {
  const { id, title, empty, children } = props;
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      {children.length > 0 ? <ul>{children}</ul> : <p>{empty}</p>}
    </section>
  );
}
