/** The janitor process: what must happen though nobody asks for it. How each is done is the rooms' business. */
import { DeployerClient } from '../src/api/deployer-client.js';
import { homePaths } from '../src/config.js';
import { fastPaths } from '../src/fast-paths.js';
import { AppRepositories } from '../src/git/app-repository.js';
import { Git } from '../src/git/git.js';
import { startChores } from '../src/housekeeping/chores.js';
import { tidyRepositories } from '../src/housekeeping/repositories.js';
import { sweepDestroyed } from '../src/housekeeping/retention/destroyed.js';
import { retentionParts } from '../src/housekeeping/retention/open.js';
import { Sweeper } from '../src/housekeeping/retention/sweep.js';
import { emptyTrash, TRASH_KEPT_MS } from '../src/housekeeping/trash.js';
import { Ledger } from '../src/ledger/ledger.js';
import { PlatformLedger } from '../src/ledger/platform.js';
import { Vault } from '../src/ledger/vault.js';
import { startNotifier } from '../src/notify/notifier.js';
import { outboundNetworks } from '../src/outbound.js';
import { Queues } from '../src/queue/queues.js';
import { startReconciler } from '../src/queue/reconciler.js';
import { DeploymentStore } from '../src/records/deployments.js';
import { RegistryClient } from '../src/registry/client.js';
import { ReviewApps } from '../src/reviews/review-apps.js';
import { live } from './life.js';

const HOUR_MS = 60 * 60_000;
const MINUTE_MS = 60_000;
/** After a start there is more urgent work, and not everybody answers yet. */
const SETTLED_MS = 10 * 60_000;

await live('janitor', async ({ config, log }) => {
  const paths = homePaths(config.home);
  const git = new Git();
  const store = new DeploymentStore(config.home);
  const repositories = new AppRepositories(paths, git);
  const ledger = new Ledger(paths, git, await Vault.open(paths.secretKey), { fast: fastPaths() });
  const queues = new Queues(config.redisUrl, { log });
  const reconciler = startReconciler({
    store,
    ledger,
    repositories,
    queues,
    log,
    intervalMs: config.reconcileIntervalMs,
  });
  const notifier = startNotifier({ store, ledger, config, allowed: outboundNetworks(config), log });
  const registry = RegistryClient.fromConfig(config, log);
  const parts = retentionParts(config, { ledger, store, repositories, registry });
  const sweeper = new Sweeper(parts, log);
  const deployer = new DeployerClient(paths.deployerSocket);
  const { people } = new PlatformLedger(paths, git);
  const reviews = new ReviewApps({ config, ledger, people, store, repositories, git, queues });
  const chores = startChores(
    [
      { name: 'review apps', everyMs: MINUTE_MS, run: () => reviews.tidy(log) },
      {
        name: 'repositories',
        everyMs: HOUR_MS,
        run: (signal) => tidyRepositories({ ledger, repositories, store, git }, signal),
      },
      {
        name: 'trash',
        everyMs: HOUR_MS,
        run: async (signal) => {
          await emptyTrash(paths.deployments, TRASH_KEPT_MS, signal);
          await emptyTrash(paths.appRepositories, TRASH_KEPT_MS, signal, async (name) => {
            const destroyed = await ledger.readDestroyed(name);
            if (destroyed !== undefined) await sweepDestroyed(parts, destroyed, signal);
          });
        },
      },
      { name: 'retention', everyMs: HOUR_MS, firstMs: SETTLED_MS, run: (signal) => sweeper.sweepAll(signal) },
      {
        name: 'images on hosts',
        everyMs: HOUR_MS,
        firstMs: SETTLED_MS,
        run: async () => {
          const { hosts } = await deployer.sweepImages({ dryRun: false });
          for (const { host, images, bytes, silent } of hosts)
            if (images > 0 || silent !== undefined) log.info({ host, images, bytes, silent }, 'swept a host');
        },
      },
    ],
    log,
  );
  return async () => {
    await Promise.all([reconciler.close(), chores.close(), notifier.close()]);
    registry.close();
    await queues.close();
  };
});
