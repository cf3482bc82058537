/** The first push, for who has an app and nothing in it. */
import type { JSX } from 'preact';
import type { AppView } from '../../api/views.js';
import { Copy } from '../parts/copy.js';

export function PushHelp({ app }: { readonly app: AppView }): JSX.Element {
  const { name, gitUrl, sshUrl, deployBranch } = app;
  return (
    <section class="first-push" aria-labelledby="first-push">
      <h2 id="first-push">Push to deploy</h2>
      <ol>
        <li>
          <p>In a git repository with a Dockerfile, sign in once. It asks for your token.</p>
          <Copy what="the sign-in" text={`slipway login ${new URL(gitUrl).origin}`} />
        </li>
        <li>
          <p>Name this app as where to push to.</p>
          <Copy what="the remote" text={`git remote add slipway ${gitUrl}`} />
          {sshUrl !== undefined && (
            <p class="help">
              With an SSH key instead of a token: <code>git remote add slipway {sshUrl}</code>
            </p>
          )}
        </li>
        <li>
          <p>
            Push. What is on <code>{deployBranch}</code> is built, started beside what runs, checked, and gets
            the requests.
          </p>
          <Copy what="the push" text={`git push slipway HEAD:${deployBranch}`} />
        </li>
      </ol>
      <p class="dim">The build of {name} appears here as soon as the push is accepted.</p>
    </section>
  );
}
