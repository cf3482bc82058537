/** What one release has otherwise than another, from the API's own answer. Of config vars the names only. */
import type { ComponentChildren, JSX } from 'preact';
import type { ReleaseProcess } from '../../model/release.js';
import type { ProcessChange, ReleaseDiff } from '../../model/release-diff.js';
import { bytes, command, short } from '../format.js';

export function Diff({ diff }: { readonly diff: ReleaseDiff }): JSX.Element {
  const { image, commit, commits, config, processes, releasePhase, hosts } = diff;
  const rows: JSX.Element[] = [
    ...(commit === undefined
      ? []
      : [
          <Row key="commit" what="Commit" sign="~">
            {<Change from={short(commit.from)} to={short(commit.to)} />}
          </Row>,
        ]),
    ...(commits?.added ?? []).map((one) => (
      <Row key={`+${one.commit}`} what="" sign="+">
        <code>{short(one.commit)}</code> {one.subject}
      </Row>
    )),
    ...(commits?.removed ?? []).map((one) => (
      <Row key={`-${one.commit}`} what="" sign="-">
        <code>{short(one.commit)}</code> {one.subject}
      </Row>
    )),
    ...(commits?.more
      ? [
          <Row key="more" what="" sign="~">
            and more commits
          </Row>,
        ]
      : []),
    ...(image === undefined
      ? []
      : [
          <Row key="image" what="Image" sign="~">
            {<Change from={short(image.from)} to={short(image.to)} />}
          </Row>,
        ]),
    ...(['added', 'removed', 'changed'] as const).flatMap((how) =>
      config[how].map((name) => (
        <Row
          key={`config ${name}`}
          what="Config"
          sign={how === 'added' ? '+' : how === 'removed' ? '-' : '~'}
        >
          <code>{name}</code>
        </Row>
      )),
    ),
    ...processes.map((change) => <ProcessRow key={change.type} change={change} />),
    ...(releasePhase === undefined
      ? []
      : [
          <Row key="phase" what="Release phase" sign="~">
            {<Change from={command(releasePhase.from)} to={command(releasePhase.to)} />}
          </Row>,
        ]),
    ...(hosts === undefined
      ? []
      : [
          <Row key="hosts" what="Hosts" sign="~">
            {<Change from={hosts.from.join(', ')} to={hosts.to.join(', ')} />}
          </Row>,
        ]),
  ];
  if (rows.length === 0)
    return (
      <p class="dim">
        Nothing: {diff.from} and {diff.to} are the same.
      </p>
    );
  return <ul class="diff">{rows}</ul>;
}

type Sign = '+' | '-' | '~';
const SIGNS: Readonly<Record<Sign, string>> = { '+': 'new', '-': 'gone', '~': 'changed' };

function Row({
  what,
  sign,
  children,
}: {
  readonly what: string;
  readonly sign: Sign;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <li class={SIGNS[sign]}>
      <span class="sign" role="img" aria-label={SIGNS[sign]}>
        {sign === '-' ? '−' : sign}
      </span>
      <span class="what">{what}</span>
      <span class="said">{children}</span>
    </li>
  );
}

function Change({ from, to }: { readonly from: string; readonly to: string }): JSX.Element {
  return (
    <>
      <code>{from}</code> <span class="unseen">becomes</span>
      <span aria-hidden="true">→</span> <code>{to}</code>
    </>
  );
}

function ProcessRow({ change: { type, from, to } }: { readonly change: ProcessChange }): JSX.Element {
  const sign = from === undefined ? '+' : to === undefined ? '-' : '~';
  const one = to ?? from;
  return (
    <Row what="Process" sign={sign}>
      <code>{type}</code>{' '}
      {from !== undefined && to !== undefined ? (
        <Change from={describe(from)} to={describe(to)} />
      ) : (
        one !== undefined && describe(one)
      )}
    </Row>
  );
}

export function describe({ scale, whenStarted, command: words, resources = {} }: ReleaseProcess): string {
  const limits = [
    ...(resources.memoryBytes === undefined ? [] : [bytes(resources.memoryBytes)]),
    ...(resources.cpus === undefined ? [] : [`${resources.cpus} cpu`]),
    ...(resources.processes === undefined ? [] : [`${resources.processes} processes`]),
  ];
  const often = whenStarted === undefined ? String(scale) : `${scale} (stopped; ${whenStarted} when started)`;
  return `${often} × ${command(words)}${limits.length === 0 ? '' : ` (${limits.join(', ')})`}`;
}
