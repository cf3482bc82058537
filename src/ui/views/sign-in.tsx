/** Signing in with a token. Where one wanted to go stays in the address bar, so one is there afterwards. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { ask, type Fault, toFault } from '../api.js';
import { Mark } from '../app.js';

export function SignIn({
  onSignedIn,
  wasIn,
}: {
  readonly onSignedIn: () => void;
  readonly wasIn: boolean;
}): JSX.Element {
  const [token, setToken] = useState('');
  const [fault, setFault] = useState<Fault>();
  const [isAsking, setAsking] = useState(false);
  const signIn = async (event: Event): Promise<void> => {
    event.preventDefault();
    setAsking(true);
    try {
      await ask('/session', { method: 'POST', body: { token } });
      onSignedIn();
    } catch (thrown) {
      setFault(toFault(thrown));
      setAsking(false);
    }
  };
  return (
    <main class="sign-in">
      <form onSubmit={(event) => void signIn(event)}>
        <h1>
          <Mark />
          Slipway
        </h1>
        <p class="dim">
          {wasIn ? 'Your session has ended. Sign in to go on where you were.' : 'Sign in to see your apps.'}
        </p>
        <label for="token">Token</label>
        {/* A password to the browser: it is hidden, and a password manager may keep it. */}
        <input
          id="token"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          required
          value={token}
          onInput={(event) => setToken(event.currentTarget.value)}
          aria-describedby={fault === undefined ? 'token-help' : 'token-fault'}
        />
        {fault === undefined ? (
          <p id="token-help" class="help">
            It begins with <code>slipway_</code>. Who runs the platform makes one with{' '}
            <code>slipway tokens:create</code>.
          </p>
        ) : (
          <p id="token-fault" class="help bad" role="alert">
            {fault.status === 401 ? 'This token is wrong or revoked.' : fault.message}
          </p>
        )}
        <button type="submit" class="main" disabled={isAsking}>
          Sign in
        </button>
      </form>
    </main>
  );
}
