/** A new app needs only a name. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ask, type Fault, toFault } from '../api.js';
import { Dialog } from '../parts/dialog.js';
import { Notice } from '../parts/notice.js';
import { go } from '../router.js';
import { appPath } from '../routes.js';

export function NewApp({ isFirst }: { readonly isFirst: boolean }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const [name, setName] = useState('');
  const [fault, setFault] = useState<Fault>();
  const create = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      await ask('/v1/apps', { method: 'POST', body: { name } });
      go(appPath(name));
    } catch (thrown) {
      setFault(toFault(thrown));
    }
  };
  return (
    <>
      <button type="button" class={isFirst ? 'main' : ''} onClick={() => setOpen(true)}>
        New app
      </button>
      {isOpen && (
        <Dialog title="New app" onClose={() => setOpen(false)}>
          <form onSubmit={(event) => void create(event)}>
            <label for="app-name">Name</label>
            <input
              id="app-name"
              required
              autocomplete="off"
              spellcheck={false}
              value={name}
              onInput={(event) => setName(event.currentTarget.value)}
              aria-describedby="app-name-help"
            />
            <p id="app-name-help" class="help">
              Lower-case letters, digits and hyphens. It becomes part of the app's address.
            </p>
            {fault !== undefined && <Notice fault={fault} />}
            <div class="actions">
              <button type="submit" class="main">
                Create it
              </button>
              <button type="button" onClick={() => setOpen(false)}>
                Not now
              </button>
            </div>
          </form>
        </Dialog>
      )}
    </>
  );
}
