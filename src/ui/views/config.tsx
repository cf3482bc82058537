/** Config vars: their names. A value is asked for one by one, on wish, and a change is a release. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { BuildView } from '../../api/views.js';
import { ask, type Fault, toFault } from '../api.js';
import { many } from '../format.js';
import { Loaded } from '../parts/loaded.js';
import { Notice } from '../parts/notice.js';
import { useResource } from '../resource.js';
import { go } from '../router.js';
import { apiPath, buildPath } from '../routes.js';

/** A new value, or null for a var that is to go. */
type Changes = ReadonlyMap<string, string | null>;

export function Config({ app }: { readonly app: string }): JSX.Element {
  const vars = useResource<{ vars: readonly string[] }>(apiPath(app, '/vars'));
  const [changes, setChanges] = useState<Changes>(new Map());
  const change = (name: string, value: string | null | undefined): void => {
    const next = new Map(changes);
    if (value === undefined) next.delete(name);
    else next.set(name, value);
    setChanges(next);
  };
  return (
    <section aria-label="Config vars">
      <p class="dim">
        Every process of the app gets these as environment variables. They are encrypted where they are kept.
      </p>
      <Loaded from={vars}>
        {({ vars: names }) => {
          const added = [...changes.keys()].filter((name) => !names.includes(name));
          return (
            <>
              {names.length + added.length === 0 && <p class="empty">No config var is set.</p>}
              <ul class="vars">
                {[...names, ...added].map((name) => (
                  <Var
                    key={name}
                    app={app}
                    name={name}
                    isNew={!names.includes(name)}
                    change={changes.get(name)}
                    onChange={(value) => change(name, value)}
                  />
                ))}
              </ul>
              <NewVar names={names} onAdd={change} />
              {changes.size > 0 && (
                <Apply
                  app={app}
                  changes={changes}
                  onDone={() => setChanges(new Map())}
                  refresh={vars.refresh}
                />
              )}
            </>
          );
        }}
      </Loaded>
    </section>
  );
}

interface VarProps {
  readonly app: string;
  readonly name: string;
  readonly isNew: boolean;
  readonly change: string | null | undefined;
  readonly onChange: (value: string | null | undefined) => void;
}

/** A value that was revealed is hidden again after this time, in ms. */
const REVEALED_MS = 30_000;

function Var({ app, name, isNew, change, onChange }: VarProps): JSX.Element {
  const [revealed, setRevealed] = useState<string>();
  const [fault, setFault] = useState<Fault>();
  useEffect(() => {
    if (revealed === undefined) return undefined;
    const timer = setTimeout(() => setRevealed(undefined), REVEALED_MS);
    return () => clearTimeout(timer);
  }, [revealed]);
  const reveal = async (): Promise<string | undefined> => {
    try {
      return (await ask<{ value: string }>(apiPath(app, `/vars/${encodeURIComponent(name)}`))).value;
    } catch (thrown) {
      setFault(toFault(thrown));
      return undefined;
    }
  };
  const edit = async (): Promise<void> => {
    const value = isNew ? '' : await reveal();
    if (value !== undefined) onChange(value);
  };
  return (
    <li>
      <code class="name">{name}</code>
      <span class="value">
        {change === null ? (
          <span class="tag">will be unset</span>
        ) : change !== undefined ? (
          <textarea
            aria-label={`New value of ${name}`}
            rows={Math.min(8, change.split('\n').length)}
            spellcheck={false}
            value={change}
            onInput={(event) => onChange(event.currentTarget.value)}
          />
        ) : revealed !== undefined ? (
          <code class="revealed">{revealed === '' ? '(empty)' : revealed}</code>
        ) : (
          <span class="hidden-value" role="img" aria-label="hidden">
            ••••••••
          </span>
        )}
        {fault !== undefined && <Notice fault={fault} />}
      </span>
      <span class="var-actions">
        {change !== undefined ? (
          <button
            type="button"
            class="quiet"
            aria-label={`Leave ${name} as it is`}
            onClick={() => onChange(undefined)}
          >
            Undo
          </button>
        ) : (
          <>
            <button
              type="button"
              class="quiet"
              aria-label={revealed === undefined ? `Reveal ${name}` : `Hide ${name}`}
              onClick={() =>
                void (revealed === undefined ? reveal().then(setRevealed) : setRevealed(undefined))
              }
            >
              {revealed === undefined ? 'Reveal' : 'Hide'}
            </button>
            <button type="button" class="quiet" aria-label={`Change ${name}`} onClick={() => void edit()}>
              Change
            </button>
            <button type="button" class="quiet" aria-label={`Unset ${name}`} onClick={() => onChange(null)}>
              Unset
            </button>
          </>
        )}
      </span>
    </li>
  );
}

function NewVar({
  names,
  onAdd,
}: {
  readonly names: readonly string[];
  readonly onAdd: (name: string, value: string) => void;
}): JSX.Element {
  const [name, setName] = useState('');
  const [value, setValue] = useState('');
  const add = (event: Event): void => {
    event.preventDefault();
    onAdd(name, value);
    setName('');
    setValue('');
  };
  return (
    <form class="new-var" onSubmit={add}>
      <label>
        Name
        <input
          required
          pattern="[A-Za-z_][A-Za-z0-9_]*"
          title="Letters, digits and _, not beginning with a digit"
          autocomplete="off"
          spellcheck={false}
          value={name}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      <label>
        Value
        <input
          autocomplete="off"
          spellcheck={false}
          value={value}
          onInput={(event) => setValue(event.currentTarget.value)}
        />
      </label>
      <button type="submit">{names.includes(name) ? 'Change' : 'Add'}</button>
    </form>
  );
}

interface ApplyProps {
  readonly app: string;
  readonly changes: Changes;
  readonly onDone: () => void;
  readonly refresh: () => Promise<void>;
}

function Apply({ app, changes, onDone, refresh }: ApplyProps): JSX.Element {
  const [fault, setFault] = useState<Fault>();
  const apply = async (): Promise<void> => {
    try {
      const { build } = await ask<{ build?: BuildView }>(apiPath(app, '/config'), {
        method: 'PATCH',
        body: Object.fromEntries(changes),
      });
      await refresh();
      onDone();
      if (build !== undefined) go(buildPath(app, build.id));
    } catch (thrown) {
      setFault(toFault(thrown));
    }
  };
  return (
    <div class="apply">
      {fault !== undefined && <Notice fault={fault} />}
      <p>
        {many(changes.size, 'change')} to {[...changes.keys()].join(', ')}. Of a running app this makes a new
        release.
      </p>
      <div class="actions">
        <button type="button" class="main" onClick={() => void apply()}>
          Apply
        </button>
        <button type="button" onClick={onDone}>
          Drop them
        </button>
      </div>
    </div>
  );
}
