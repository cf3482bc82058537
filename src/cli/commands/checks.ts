/** What the containers of a release are checked by. */
import type { AppView, ReleaseView } from '../../api/views.js';
import { describeCheck } from '../../model/check.js';
import { WEB_TYPE } from '../../model/process.js';
import { printable, table } from '../output.js';
import { type Command, EXIT } from '../usage.js';

const DEFAULT = {
  web: 'default: the HEALTHCHECK of its image; else an answer to GET / below 500, or a port that takes connections for 5 s',
  other: 'default: the HEALTHCHECK of its image; else it lives 5 s',
};

const checks: Command = {
  name: 'checks',
  aliases: ['checks:report'],
  usage: '[vN]',
  help: `Show what a container of each process type must pass before it gets requests. It is that of the live release, or
of the one that is named; it comes from healthchecks in app.json.`,
  examples: ['slipway checks -a hello', 'slipway checks v12'],
  args: { min: 0, max: 1 },
  async run(invocation) {
    const app = await invocation.app();
    const client = await invocation.client();
    const [named] = invocation.args;
    const release =
      named === undefined
        ? (await client.get<AppView>(`/v1/apps/${app}`)).release
        : await client.get<ReleaseView>(`/v1/apps/${app}/releases/${encodeURIComponent(named)}`);
    const rows = (release?.processes ?? []).flatMap(({ type, checks: defined }) =>
      defined === undefined
        ? [[type, type === WEB_TYPE ? DEFAULT.web : DEFAULT.other]]
        : defined.map((check) => [type, printable(describeCheck(check))]),
    );
    const result = {
      ...(release === undefined ? {} : { release: release.version }),
      processes: (release?.processes ?? []).map(({ type, checks: defined = [] }) => ({
        type,
        checks: defined,
      })),
    };
    invocation.output.result(
      result,
      release === undefined
        ? [`${app} has no live release yet`]
        : [`${release.version} of ${app}`, ...table(['PROCESS', 'CHECK'], rows)],
    );
    return EXIT.done;
  },
};

export const checkCommands: readonly Command[] = [checks];
