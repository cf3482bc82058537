/** How an app's releases are rolled out. */
import type { StrategyView } from '../../api/strategy.js';
import { type Command, EXIT, type ExitCode, type Invocation } from '../usage.js';

const FROM: Readonly<Record<StrategyView['from'], string>> = {
  set: 'as it was set',
  commit: 'as app.json says',
  default: 'as nothing else was said',
};

async function put(invocation: Invocation, strategy: string | null): Promise<ExitCode> {
  const path = `/v1/apps/${await invocation.app()}/strategy`;
  return tell(invocation, await (await invocation.client()).put<StrategyView>(path, { strategy }));
}

function tell({ output }: Invocation, view: StrategyView): ExitCode {
  output.result(view, [`${view.strategy} (${FROM[view.from]})`]);
  return EXIT.done;
}

const show: Command = {
  name: 'strategy',
  usage: '',
  help: 'Show how releases of an app are rolled out.',
  examples: ['slipway strategy -a hello'],
  args: { min: 0, max: 0 },
  async run(invocation) {
    const path = `/v1/apps/${await invocation.app()}/strategy`;
    return tell(invocation, await (await invocation.client()).get<StrategyView>(path));
  },
};

const set: Command = {
  name: 'strategy:set',
  usage: 'STRATEGY',
  help: `Choose how releases of an app are rolled out from now on. It holds over app.json.
For one push alone: git push -o strategy=STRATEGY.
  blue-green                                  all new containers beside the old ones, one switch
  blue-green,bake=10m                         the old ones stay warm for so long: a rollback needs no start
  rolling,batch=25%                           so many at a time; also batch=2
  recreate                                    the old ones stop before the new ones start: with a gap
  canary,percent=10,bake=10m,margin=5         a share of the requests for a while; back when it has more
                                              errors than the old release and so many percent`,
  examples: [
    'slipway strategy:set rolling,batch=2 -a hello',
    'slipway strategy:set canary,percent=5,bake=30m',
  ],
  args: { min: 1, max: 1 },
  run: (invocation) => put(invocation, invocation.args[0] ?? ''),
};

const unset: Command = {
  name: 'strategy:unset',
  usage: '',
  help: 'Have the commits say again how they are rolled out.',
  examples: ['slipway strategy:unset -a hello'],
  args: { min: 0, max: 0 },
  run: (invocation) => put(invocation, null),
};

export const strategyCommands: readonly Command[] = [show, set, unset];
