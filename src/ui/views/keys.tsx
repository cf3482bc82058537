/** Every key that does something. */
import type { JSX } from 'preact';
import { OF_PAGE, OF_VIEWS } from '../shortcuts.js';

export function Keys(): JSX.Element {
  return (
    <div class="page">
      <h1 tabIndex={-1}>Keys</h1>
      <dl class="keys">
        {[...OF_PAGE, ...OF_VIEWS].map(({ keys, says }) => (
          <div key={keys + says}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{says}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
