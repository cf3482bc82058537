/** The field in which one searches a log, and the way from hit to hit. */
import type { JSX, RefObject } from 'preact';
import { many } from '../format.js';
import { Key } from '../parts/key.js';
import type { Search } from './search.js';

interface SearchBarProps {
  readonly input: RefObject<HTMLInputElement | null>;
  readonly search: Search;
  readonly onHit: (line: number | undefined) => void;
}

export function SearchBar({ input, search, onHit }: SearchBarProps): JSX.Element {
  const { query, setQuery, count, index, move } = search;
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') {
      event.preventDefault();
      onHit(move(event.shiftKey ? -1 : 1));
    } else if (event.key === 'Escape') {
      setQuery('');
      input.current?.blur();
    }
  };
  return (
    <div class="log-search">
      <label class="search">
        <span class="unseen">Search the log</span>
        <input
          ref={input}
          type="search"
          placeholder="Search"
          value={query}
          spellcheck={false}
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={onKey}
        />
        <Key>/</Key>
      </label>
      {query !== '' && (
        <>
          <span class="figure dim" role="status">
            {index === undefined ? many(count, 'line') : `${index + 1} of ${count.toLocaleString('en')}`}
          </span>
          <button
            type="button"
            class="quiet"
            aria-label="Line with a hit before this"
            disabled={count === 0}
            onClick={() => onHit(move(-1))}
          >
            ↑
          </button>
          <button
            type="button"
            class="quiet"
            aria-label="Next line with a hit"
            disabled={count === 0}
            onClick={() => onHit(move(1))}
          >
            ↓
          </button>
        </>
      )}
    </div>
  );
}
