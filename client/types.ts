// Made of the descriptions of the routes; test/client/types.test.ts holds it against them.

export type App = {
  readonly name: string;
  readonly url: string;
  readonly gitUrl: string;
  readonly sshUrl?: string;
  readonly deployBranch: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly freezes?: readonly {
    readonly week: string;
    readonly timeZone: string;
    readonly reason: string;
    readonly at: string;
    readonly by: string;
  }[];
  readonly review?: {
    readonly of: string;
    readonly branch: string;
  };
  readonly lock?: {
    readonly reason: string;
    readonly at: string;
    readonly by: string;
  };
  readonly release?: Release;
};

export type AppGlance = {
  readonly name: string;
  readonly url: string;
  readonly release?: {
    readonly version: string;
    readonly description: string;
    readonly message?: string;
    readonly at: string;
    readonly by: string;
  };
  readonly latest?: {
    readonly id: string;
    readonly kind: "push" | "rollback" | "config" | "scale" | "resources" | "placement" | "domains" | "restart" | "stop" | "start";
    readonly state: "accepted" | "building" | "ready" | "releasing" | "live" | "built" | "failed" | "cancelled" | "superseded";
    readonly who: string;
    readonly acceptedAt: string;
    readonly reason?: string;
  };
  readonly wanted: number;
  readonly running?: number;
  readonly stopped?: true;
  readonly maintenance?: true;
  readonly lock?: string;
};

export type Build = {
  readonly id: string;
  readonly app: string;
  readonly kind: "push" | "rollback" | "config" | "scale" | "resources" | "placement" | "domains" | "restart" | "stop" | "start";
  readonly state: "accepted" | "building" | "ready" | "releasing" | "live" | "built" | "failed" | "cancelled" | "superseded";
  readonly who: string;
  readonly commit?: string;
  readonly ref?: string;
  readonly from?: {
    readonly remote: string;
    readonly ref: string;
    readonly webhook?: string;
  };
  readonly release?: number;
  readonly digest?: string;
  readonly steps?: {
    readonly cached: number;
    readonly total: number;
  };
  readonly phases: readonly {
    readonly name: string;
    readonly ms: number;
  }[];
  readonly acceptedAt: string;
  readonly endedAt?: string;
  readonly durationMs?: number;
  readonly reason?: string;
  readonly code?: string;
  readonly cancelledBy?: string;
};

export type Certificate = {
  readonly id: string;
  readonly names: readonly string[];
  readonly expiresAt: string;
  readonly source: "own" | "acme";
  readonly addedAt: string;
  readonly addedBy: string;
};

export type Check = {
  readonly name?: string;
  readonly attempts?: number;
  readonly successes?: number;
  readonly timeout?: number;
  readonly wait?: number;
  readonly initialDelay?: number;
  readonly path: string;
  readonly port?: number;
  readonly status?: readonly (number | string)[];
  readonly content?: string;
  readonly httpHeaders?: readonly {
    readonly name: string;
    readonly value: string;
  }[];
  readonly expectedHeaders?: readonly {
    readonly name: string;
    readonly value?: string;
  }[];
} | {
  readonly name?: string;
  readonly attempts?: number;
  readonly successes?: number;
  readonly timeout?: number;
  readonly wait?: number;
  readonly initialDelay?: number;
  readonly listening: true;
  readonly port?: number;
} | {
  readonly name?: string;
  readonly attempts?: number;
  readonly successes?: number;
  readonly timeout?: number;
  readonly wait?: number;
  readonly initialDelay?: number;
  readonly command: readonly string[];
} | {
  readonly name?: string;
  readonly log: string;
  readonly timeout?: number;
} | {
  readonly name?: string;
  readonly uptime: number;
};

export type Container = {
  readonly process: string;
  readonly release: number;
  readonly host: string;
  readonly container: string;
  readonly name: string;
  readonly image: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly user: string;
  readonly directory: string;
  readonly variables: readonly string[];
  readonly state: string;
  readonly pid: number;
  readonly exitCode: number;
  readonly outOfMemory: boolean;
  readonly restarts: number;
  readonly startedAt?: string;
  readonly health?: string;
  readonly address?: string;
  readonly resources: Resources;
  readonly volumes: readonly string[];
};

export type CronDefinition = {
  readonly name: string;
  readonly schedule: string;
  readonly command: readonly string[];
  readonly timeZone?: string;
  readonly timeoutMs?: number;
  readonly overlaps?: boolean;
};

export type CronEntries = {
  readonly entries: readonly CronEntry[];
  readonly stopped: boolean;
};

export type CronEntry = {
  readonly name: string;
  readonly schedule: string;
  readonly timeZone: string;
  readonly command: readonly string[];
  readonly timeoutMs: number;
  readonly overlaps: boolean;
  readonly next?: string;
  readonly last?: CronRun;
};

export type CronRun = {
  readonly run: string;
  readonly outcome: "ok" | "failed" | "timeout" | "missed" | "skipped" | "lost" | "running";
  readonly due?: string;
  readonly by?: string;
  readonly host?: string;
  readonly release?: number;
  readonly beganAt: string;
  readonly endedAt?: string;
  readonly exitCode?: number;
  readonly reason?: string;
};

export type CronStarted = {
  readonly entry: string;
  readonly run: string;
  readonly name: string;
  readonly host: string;
};

export type Delivery = {
  readonly id: string;
  readonly target: string;
  readonly event: string;
  readonly state: "waiting" | "delivered" | "given up";
  readonly attempts: number;
  readonly error?: string;
  readonly deployment?: string;
  readonly at: string;
  readonly status?: number;
  readonly ms?: number;
  readonly nextAt?: string;
};

export type Event = {
  readonly id: string;
  readonly at: string;
  readonly who: string;
  readonly app?: string;
  readonly did: string;
  readonly changes: readonly {
    readonly name: string;
    readonly is: "added" | "changed" | "removed";
    readonly before?: unknown;
    readonly after?: unknown;
  }[];
};

export type Formation = {
  readonly stopped?: {
    readonly at: string;
    readonly by: string;
  };
  readonly release?: string;
  readonly processes: readonly ReleaseProcess[];
};

export type Host = {
  readonly name: string;
  readonly address: string;
  readonly pullPort?: number;
  readonly tls?: true;
  readonly labels: { readonly [name: string]: string };
  readonly unchecked?: true;
  readonly cordoned?: {
    readonly at: string;
    readonly by: string;
    readonly reason?: string;
  };
  readonly addedAt: string;
  readonly addedBy: string;
};

export type HostNow = {
  readonly name: string;
  readonly address: string;
  readonly pullPort?: number;
  readonly tls?: true;
  readonly labels: { readonly [name: string]: string };
  readonly unchecked?: true;
  readonly cordoned?: {
    readonly at: string;
    readonly by: string;
    readonly reason?: string;
  };
  readonly addedAt: string;
  readonly addedBy: string;
  readonly version?: string;
  readonly containers?: number;
  readonly nodes?: {
    readonly total: number;
    readonly ready: number;
    readonly managers: number;
  };
  readonly problem?: string;
};

export type HostReport = {
  readonly name: string;
  readonly good: boolean;
  readonly findings: readonly {
    readonly what: "connection" | "engine" | "disk" | "clock" | "registry" | "swarm";
    readonly result: "good" | "bad" | "unknown";
    readonly says: string;
    readonly hint?: string;
  }[];
};

export type HostsSweep = {
  readonly hosts: readonly {
    readonly host: string;
    readonly images: number;
    readonly bytes: number;
    readonly apps: readonly {
      readonly app: string;
      readonly images: number;
      readonly bytes: number;
    }[];
    readonly silent?: string;
  }[];
};

export type Member = {
  readonly user: string;
  readonly role: "viewer" | "developer" | "admin";
};

export type Notification = {
  readonly id: string;
  readonly to: string;
  readonly events: readonly ("deploy.accepted" | "deploy.live" | "deploy.built" | "deploy.failed" | "deploy.cancelled" | "deploy.superseded")[];
  readonly format: "json" | "slack";
  readonly createdAt: string;
  readonly createdBy: string;
};

export type OneOff = {
  readonly name: string;
  readonly release: number;
  readonly host: string;
  readonly container: string;
  readonly detached: boolean;
  readonly state: string;
  readonly exitCode?: number;
  readonly by: string;
  readonly createdAt: string;
};

export type Placement = {
  readonly placement: {
    readonly hosts: readonly string[];
  } | {
    readonly label: {
      readonly name: string;
      readonly value: string;
    };
  } | null;
  readonly hosts: readonly string[];
  readonly problem?: string;
  readonly live?: readonly string[];
};

export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance?: string;
  readonly code: "bad_request" | "unauthorized" | "forbidden" | "not_found" | "conflict" | "too_large" | "too_many_requests" | "key_reused" | "invalid_name" | "invalid_config" | "not_fast_forward" | "push_rejected" | "locked" | "procfile_invalid" | "app_json_invalid" | "dockerfile_missing" | "dockerfile_invalid" | "dockerfile_unsupported" | "source_missing" | "context_invalid" | "context_too_large" | "base_image_missing" | "layer_invalid" | "step_failed" | "step_timeout" | "step_limit" | "build_timeout" | "secret_missing" | "not_allowed" | "registry_unavailable" | "registry_denied" | "registry_push_not_allowed" | "image_not_found" | "image_invalid" | "layer_missing" | "engine_unavailable" | "edge_unavailable" | "unhealthy" | "release_phase_failed" | "no_release" | "no_host" | "release_unusable" | "cancelled" | "superseded" | "lease_lost" | "disk_full" | "unavailable" | "internal";
  readonly where?: string;
  readonly hint?: string;
};

export type Release = {
  readonly version: string;
  readonly number: number;
  readonly kind: "deploy" | "rollback" | "config" | "scale" | "resources" | "placement" | "domains" | "restart" | "stop" | "start";
  readonly state: "pending" | "live" | "was live" | "failed" | "cancelled" | "superseded";
  readonly description: string;
  readonly image: {
    readonly repository: string;
    readonly digest: string;
  };
  readonly commit: string;
  readonly message?: string;
  readonly author?: string;
  readonly config: readonly string[];
  readonly processes: readonly ReleaseProcess[];
  readonly releasePhase?: readonly string[];
  readonly cron?: readonly CronDefinition[];
  readonly strategy: string;
  readonly hosts: readonly string[];
  readonly domains?: readonly string[];
  readonly build: string;
  readonly rollbackOf?: number;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly endedAt?: string;
  readonly reason?: string;
  readonly bad?: {
    readonly reason: string;
    readonly at: string;
    readonly by: string;
  };
  readonly pinnedBy?: string;
  readonly gone?: boolean;
};

export type ReleaseDiff = {
  readonly from: string;
  readonly to: string;
  readonly image?: {
    readonly from: string;
    readonly to: string;
  };
  readonly commit?: {
    readonly from: string;
    readonly to: string;
  };
  readonly commits?: {
    readonly added: readonly {
      readonly commit: string;
      readonly subject: string;
    }[];
    readonly removed: readonly {
      readonly commit: string;
      readonly subject: string;
    }[];
    readonly more: boolean;
  };
  readonly config: {
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly changed: readonly string[];
  };
  readonly processes: readonly {
    readonly type: string;
    readonly from?: ReleaseProcess;
    readonly to?: ReleaseProcess;
  }[];
  readonly releasePhase?: {
    readonly from: readonly string[] | null;
    readonly to: readonly string[] | null;
  };
  readonly cron?: {
    readonly from: readonly CronDefinition[];
    readonly to: readonly CronDefinition[];
  };
  readonly hosts?: {
    readonly from: readonly string[];
    readonly to: readonly string[];
  };
  readonly strategy?: {
    readonly from: string;
    readonly to: string;
  };
};

export type ReleaseProcess = {
  readonly type: string;
  readonly command?: readonly string[];
  readonly scale: number;
  readonly whenStarted?: number;
  readonly resources?: Resources;
  readonly checks?: readonly Check[];
  readonly mounts?: readonly {
    readonly volume: string;
    readonly path: string;
    readonly readOnly?: true;
  }[];
};

export type Resources = {
  readonly memoryBytes?: number;
  readonly cpus?: number;
  readonly processes?: number;
};

export type Retention = {
  readonly app: string;
  readonly keep: number;
  readonly kept: readonly {
    readonly number: number;
    readonly as: "live" | "open" | "pinned" | "newest";
  }[];
  readonly going: readonly number[];
  readonly registry: {
    readonly images: number;
    readonly bytes: number;
    readonly state: "done" | "refused" | "busy";
  };
  readonly records: {
    readonly deployments: number;
    readonly bytes: number;
  };
  readonly compressed: {
    readonly logs: number;
    readonly bytes: number;
  };
  readonly isOwn: boolean;
  readonly keepRecordsMs: number;
};

export type Running = {
  readonly processes: readonly {
    readonly process: string;
    readonly release: number;
    readonly deployment: string;
    readonly state: string;
    readonly health?: string;
    readonly host: string;
    readonly container: string;
    readonly startedAt?: string;
    readonly restarts: number;
  }[];
  readonly silent: readonly {
    readonly host: string;
    readonly reason: string;
  }[];
};

export type Source = {
  readonly repo?: string;
  readonly path?: string;
  readonly watch: readonly string[];
  readonly members: readonly string[];
};

export type SshKey = {
  readonly fingerprint: string;
  readonly user: string;
  readonly type: string;
  readonly blob: string;
  readonly comment: string;
  readonly addedAt: string;
  readonly addedBy: string;
};

export type Step = {
  readonly step: number;
  readonly total: number;
  readonly stage: string;
  readonly text: string;
  readonly line: number;
  readonly result: "running" | "cached" | "executed" | "failed" | "stopped";
  readonly reason?: string;
  readonly ms?: number;
  readonly savedMs?: number;
  readonly from?: "registry";
};

export type Strategy = {
  readonly strategy: string;
  readonly from: "set" | "commit" | "default";
};

export type Sweep = {
  readonly app: string;
  readonly keep: number;
  readonly kept: readonly {
    readonly number: number;
    readonly as: "live" | "open" | "pinned" | "newest";
  }[];
  readonly going: readonly number[];
  readonly registry: {
    readonly images: number;
    readonly bytes: number;
    readonly state: "done" | "refused" | "busy";
  };
  readonly records: {
    readonly deployments: number;
    readonly bytes: number;
  };
  readonly compressed: {
    readonly logs: number;
    readonly bytes: number;
  };
};

export type Token = {
  readonly id: string;
  readonly name: string;
  readonly apps: "*" | readonly string[];
  readonly admin: boolean;
  readonly mayCreateApps: boolean;
  readonly ofUser?: true;
  readonly role?: "viewer" | "developer" | "admin";
  readonly expiresAt?: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly revokedAt?: string;
  readonly usedAt?: string;
};

export type Traffic = {
  readonly since: string;
  readonly requests: number;
  readonly responses: {
    readonly "1xx": number;
    readonly "2xx": number;
    readonly "3xx": number;
    readonly "4xx": number;
    readonly "5xx": number;
  };
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly underWay: number;
  readonly failures: {
    readonly connections: number;
    readonly responses: number;
    readonly retries: number;
  };
  readonly averageMs: {
    readonly queue: number;
    readonly connect: number;
    readonly response: number;
    readonly total: number;
  };
};

export type User = {
  readonly name: string;
  readonly administrator: boolean;
  readonly mayCreateApps: boolean;
  readonly roles: { readonly [name: string]: "viewer" | "developer" | "admin" };
  readonly addedAt: string;
  readonly addedBy: string;
};

export type Webhook = {
  readonly id: string;
  readonly forge: "github" | "gitlab" | "gitea";
  readonly repository: string;
  readonly branch: string;
  readonly reports: boolean;
  readonly url: string;
  readonly createdAt: string;
  readonly createdBy: string;
};

/** What each route takes and answers. */
export interface Routes {
  /** Create an app */
  'POST /v1/apps': {
    readonly body: {
      readonly name: string;
    };
    readonly answer: App;
  };
  /** The apps that you may see, by name */
  'GET /v1/apps': {
    readonly query?: {
      /** At most so many */
      readonly limit?: number;
      /** What the page before gave as `next` */
      readonly cursor?: string;
    };
    readonly answer: {
      readonly apps: readonly App[];
      /** The cursor of the next page; absent with the last */
      readonly next?: string;
    };
  };
  /** An app, with the release that serves */
  'GET /v1/apps/{app}': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: App;
  };
  /** Destroy an app */
  'DELETE /v1/apps/{app}': {
    readonly params: {
      readonly app: string;
    };
    readonly query?: {
      /** The name of the app, once more */
      readonly confirm?: string;
      /** Its volumes go with it */
      readonly volumes?: "remove";
    };
    readonly answer: {
      readonly name: string;
      readonly destroyed: true;
      readonly volumesLeft: readonly {
        readonly name: string;
        readonly host: string;
        readonly content: string;
      }[];
    };
  };
  /** Lock an app: what runs stays as it is */
  'PUT /v1/apps/{app}/lock': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly reason: string;
    };
    readonly answer: App;
  };
  /** Unlock an app */
  'DELETE /v1/apps/{app}/lock': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: App;
  };
  /** Refuse deploys in a part of each week */
  'POST /v1/apps/{app}/freezes': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly week: string;
      readonly timeZone?: string;
      readonly reason: string;
    };
    readonly answer: App;
  };
  /** Take deploys at any time again */
  'DELETE /v1/apps/{app}/freezes': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: App;
  };
  /** The builds of an app, the newest first */
  'GET /v1/apps/{app}/builds': {
    readonly params: {
      readonly app: string;
    };
    readonly query?: {
      /** At most so many */
      readonly limit?: number;
      /** What the page before gave as `next` */
      readonly cursor?: string;
      /** Only those that are older than this one: the same as the cursor */
      readonly before?: string;
    };
    readonly answer: {
      readonly builds: readonly Build[];
      /** The cursor of the next page; absent with the last */
      readonly next?: string;
    };
  };
  /** A build */
  'GET /v1/apps/{app}/builds/{id}': {
    readonly params: {
      readonly app: string;
      /** The id of a build, or `current` for the newest */
      readonly id: string;
    };
    readonly answer: Build;
  };
  /** What became of each step so far, and why */
  'GET /v1/apps/{app}/builds/{id}/steps': {
    readonly params: {
      readonly app: string;
      /** The id of a build, or `current` for the newest */
      readonly id: string;
    };
    readonly answer: {
      readonly build: Build;
      readonly steps: readonly Step[];
    };
  };
  /** The output of a build so far, from an offset on */
  'GET /v1/apps/{app}/builds/{id}/output': {
    readonly params: {
      readonly app: string;
      /** The id of a build, or `current` for the newest */
      readonly id: string;
    };
    readonly query?: {
      readonly offset?: number;
    };
    readonly answer: string;
  };
  /** Follow the output of a build until it ends */
  'GET /v1/apps/{app}/builds/{id}/output/stream': {
    readonly params: {
      readonly app: string;
      /** The id of a build, or `current` for the newest */
      readonly id: string;
    };
    readonly query?: {
      readonly offset?: number;
    };
    readonly answer: string;
  };
  /** Cancel a build, or the rollout that it is in */
  'POST /v1/apps/{app}/builds/{id}/cancel': {
    readonly params: {
      readonly app: string;
      /** The id of a build, or `current` for the newest */
      readonly id: string;
    };
    readonly answer: Build;
  };
  /** Deploy a commit that is here, without a push */
  'POST /v1/apps/{app}/deploy': {
    readonly params: {
      readonly app: string;
    };
    readonly body?: {
      /** A branch, or a commit by at least 7 digits; else what is live */
      readonly commit?: string;
      readonly noCache?: boolean;
      readonly buildOnly?: boolean;
    };
    readonly answer: Build;
  };
  /** Fetch a branch of a repository elsewhere and deploy it */
  'POST /v1/apps/{app}/sync': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly url: string;
      /** A branch, tag or whole commit id; else the main branch */
      readonly ref?: string;
      readonly noCache?: boolean;
      readonly buildOnly?: boolean;
    };
    readonly answer: Build;
  };
  /** Deploy a finished image of a registry */
  'POST /v1/apps/{app}/from-image': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly image: string;
    };
    readonly answer: Build;
  };
  /** The hosts that there are tokens for */
  'GET /v1/apps/{app}/git-access': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly hosts: readonly string[];
    };
  };
  /** Give a token for the repositories of a host */
  'PUT /v1/apps/{app}/git-access/{host}': {
    readonly params: {
      readonly app: string;
      readonly host: string;
    };
    readonly body: {
      readonly token: string;
    };
    readonly answer: {
      readonly host: string;
    };
  };
  /** Take a token away */
  'DELETE /v1/apps/{app}/git-access/{host}': {
    readonly params: {
      readonly app: string;
      readonly host: string;
    };
    readonly answer: {
      readonly host: string;
      readonly removed: true;
    };
  };
  /** Which repository an app comes from, and what of it */
  'GET /v1/apps/{app}/source': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: Source;
  };
  /** Say which repository an app comes from, and what of it */
  'PUT /v1/apps/{app}/source': {
    readonly params: {
      readonly app: string;
    };
    readonly body?: {
      /** The app whose pushes deploy this one as well */
      readonly repo?: string;
      /** The directory that is built */
      readonly path?: string;
      /** Further paths whose changes deploy it */
      readonly watch?: readonly string[];
    };
    readonly answer: Source;
  };
  /** Have an app be all of its own repository */
  'DELETE /v1/apps/{app}/source': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: Source;
  };
  /** The repositories elsewhere whose pushes deploy an app */
  'GET /v1/apps/{app}/webhooks': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly webhooks: readonly Webhook[];
    };
  };
  /** Deploy whenever a branch at a forge is pushed */
  'POST /v1/apps/{app}/webhooks': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly forge: string;
      readonly url: string;
      readonly branch?: string;
      readonly reports?: boolean;
    };
    readonly answer: {
      readonly id: string;
      readonly forge: "github" | "gitlab" | "gitea";
      readonly repository: string;
      readonly branch: string;
      readonly reports: boolean;
      readonly url: string;
      readonly createdAt: string;
      readonly createdBy: string;
      readonly secret: string;
    };
  };
  /** Remove a webhook */
  'DELETE /v1/apps/{app}/webhooks/{id}': {
    readonly params: {
      readonly app: string;
      readonly id: string;
    };
    readonly answer: {
      readonly id: string;
      readonly removed: true;
    };
  };
  /** What came to a webhook last, the newest first */
  'GET /v1/apps/{app}/webhooks/{id}/received': {
    readonly params: {
      readonly app: string;
      readonly id: string;
    };
    readonly answer: {
      readonly received: readonly {
        readonly at: string;
        readonly delivery?: string;
        readonly result: string;
        readonly build?: string;
      }[];
    };
  };
  /** The addresses that are told what becomes of deployments */
  'GET /v1/apps/{app}/notifications': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly notifications: readonly Notification[];
    };
  };
  /** Tell an address what becomes of deployments */
  'POST /v1/apps/{app}/notifications': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly url: string;
      readonly events?: readonly string[];
      readonly format?: "json" | "slack";
    };
    readonly answer: {
      readonly id: string;
      readonly to: string;
      readonly events: readonly ("deploy.accepted" | "deploy.live" | "deploy.built" | "deploy.failed" | "deploy.cancelled" | "deploy.superseded")[];
      readonly format: "json" | "slack";
      readonly createdAt: string;
      readonly createdBy: string;
      readonly secret: string;
    };
  };
  /** Tell an address nothing any more */
  'DELETE /v1/apps/{app}/notifications/{id}': {
    readonly params: {
      readonly app: string;
      readonly id: string;
    };
    readonly answer: {
      readonly id: string;
      readonly removed: true;
    };
  };
  /** Send a test, and say what came of it */
  'POST /v1/apps/{app}/notifications/{id}/test': {
    readonly params: {
      readonly app: string;
      readonly id: string;
    };
    readonly answer: {
      readonly delivered: boolean;
      readonly status?: number;
      readonly error?: string;
      readonly ms: number;
    };
  };
  /** What was sent to notifications and forges, the newest first */
  'GET /v1/apps/{app}/deliveries': {
    readonly params: {
      readonly app: string;
    };
    readonly query?: {
      readonly limit?: number;
    };
    readonly answer: {
      readonly deliveries: readonly Delivery[];
    };
  };
  /** The releases of an app, the newest first */
  'GET /v1/apps/{app}/releases': {
    readonly params: {
      readonly app: string;
    };
    readonly query?: {
      /** At most so many */
      readonly limit?: number;
      /** What the page before gave as `next` */
      readonly cursor?: string;
    };
    readonly answer: {
      readonly releases: readonly Release[];
      /** The cursor of the next page; absent with the last */
      readonly next?: string;
    };
  };
  /** A release */
  'GET /v1/apps/{app}/releases/{release}': {
    readonly params: {
      readonly app: string;
      /** A release: v12, or 12 */
      readonly release: string;
    };
    readonly answer: Release;
  };
  /** What a release changed */
  'GET /v1/apps/{app}/releases/{release}/diff': {
    readonly params: {
      readonly app: string;
      /** A release: v12, or 12 */
      readonly release: string;
    };
    readonly query?: {
      /** Since this one; else since the one before it */
      readonly from?: string;
    };
    readonly answer: ReleaseDiff;
  };
  /** Mark a release as bad: no rollback goes to it by itself */
  'PUT /v1/apps/{app}/releases/{release}/bad': {
    readonly params: {
      readonly app: string;
      /** A release: v12, or 12 */
      readonly release: string;
    };
    readonly body: {
      readonly reason: string;
    };
    readonly answer: Release;
  };
  /** Take the mark back */
  'DELETE /v1/apps/{app}/releases/{release}/bad': {
    readonly params: {
      readonly app: string;
      /** A release: v12, or 12 */
      readonly release: string;
    };
    readonly answer: Release;
  };
  /** Bring an earlier release back as a new one */
  'POST /v1/apps/{app}/rollback': {
    readonly params: {
      readonly app: string;
    };
    readonly body?: {
      readonly release?: string | number;
      readonly only?: "code" | "config";
      readonly force?: boolean;
    };
    readonly answer: Build;
  };
  /** The config vars of an app, with their values */
  'GET /v1/apps/{app}/config': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly config: { readonly [name: string]: string };
    };
  };
  /** Set and unset config vars */
  'PATCH /v1/apps/{app}/config': {
    readonly params: {
      readonly app: string;
    };
    readonly body?: { readonly [name: string]: string | null };
    readonly answer: {
      readonly stored: true;
      readonly live: boolean;
    } | {
      readonly build: Build;
    };
  };
  /** The names that an app answers to */
  'GET /v1/apps/{app}/domains': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly domains: readonly {
        readonly name: string;
        readonly url: string;
        readonly certificate?: string;
      }[];
    };
  };
  /** Add and remove domains */
  'PATCH /v1/apps/{app}/domains': {
    readonly params: {
      readonly app: string;
    };
    readonly body?: {
      readonly add?: readonly string[];
      readonly remove?: readonly string[];
    };
    readonly answer: {
      readonly added: readonly string[];
      readonly removed: readonly string[];
      readonly domains: readonly {
        readonly name: string;
        readonly url: string;
        readonly certificate?: string;
      }[];
      readonly served: boolean;
      readonly problems: readonly string[];
      readonly build?: string;
    };
  };
  /** Remove all domains of an app */
  'DELETE /v1/apps/{app}/domains': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly added: readonly string[];
      readonly removed: readonly string[];
      readonly domains: readonly {
        readonly name: string;
        readonly url: string;
        readonly certificate?: string;
      }[];
      readonly served: boolean;
      readonly problems: readonly string[];
      readonly build?: string;
    };
  };
  /** The certificates of an app */
  'GET /v1/apps/{app}/certs': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly automatic: boolean;
      readonly certificates: readonly Certificate[];
      readonly attempts: { readonly [name: string]: {
        readonly failures: number;
        readonly at: string;
        readonly reason: string;
      } };
    };
  };
  /** Bring a certificate of your own */
  'POST /v1/apps/{app}/certs': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly certificate: string;
      readonly key: string;
    };
    readonly answer: {
      readonly automatic: boolean;
      readonly certificates: readonly Certificate[];
      readonly attempts: { readonly [name: string]: {
        readonly failures: number;
        readonly at: string;
        readonly reason: string;
      } };
      readonly served: boolean;
      readonly problems: readonly string[];
      readonly id: string;
    };
  };
  /** Have certificates fetched and renewed, or not */
  'PATCH /v1/apps/{app}/certs': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly automatic: boolean;
    };
    readonly answer: {
      readonly automatic: boolean;
      readonly certificates: readonly Certificate[];
      readonly attempts: { readonly [name: string]: {
        readonly failures: number;
        readonly at: string;
        readonly reason: string;
      } };
      readonly served: boolean;
      readonly problems: readonly string[];
    };
  };
  /** Remove a certificate */
  'DELETE /v1/apps/{app}/certs/{id}': {
    readonly params: {
      readonly app: string;
      readonly id: string;
    };
    readonly answer: {
      readonly automatic: boolean;
      readonly certificates: readonly Certificate[];
      readonly attempts: { readonly [name: string]: {
        readonly failures: number;
        readonly at: string;
        readonly reason: string;
      } };
      readonly served: boolean;
      readonly problems: readonly string[];
    };
  };
  /** Whether an app is being maintained */
  'GET /v1/apps/{app}/maintenance': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly maintenance: {
        readonly text: string;
        readonly since: string;
        readonly by: string;
      } | null;
    };
  };
  /** Answer every request to an app with a page of maintenance */
  'PUT /v1/apps/{app}/maintenance': {
    readonly params: {
      readonly app: string;
    };
    readonly body?: {
      readonly text?: string;
    };
    readonly answer: {
      readonly maintenance: {
        readonly text: string;
        readonly since: string;
        readonly by: string;
      } | null;
      readonly served: boolean;
      readonly problems: readonly string[];
    };
  };
  /** End the maintenance */
  'DELETE /v1/apps/{app}/maintenance': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly maintenance: {
        readonly text: string;
        readonly since: string;
        readonly by: string;
      } | null;
      readonly served: boolean;
      readonly problems: readonly string[];
    };
  };
  /** What the next release gets of each process type */
  'GET /v1/apps/{app}/formation': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: Formation;
  };
  /** Scale process types */
  'PATCH /v1/apps/{app}/formation/scale': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly scale: { readonly [name: string]: number };
    };
    readonly answer: {
      readonly stored: true;
      readonly formation: Formation;
    } | {
      readonly build: Build;
    };
  };
  /** Limit what process types may use */
  'PATCH /v1/apps/{app}/formation/resources': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly types: readonly string[];
      readonly limits: {
        readonly memory?: string | number | null;
        readonly cpus?: string | number | null;
        readonly processes?: string | number | null;
      };
    };
    readonly answer: {
      readonly stored: true;
      readonly formation: Formation;
    } | {
      readonly build: Build;
    };
  };
  /** Stop an app; its scale is remembered */
  'POST /v1/apps/{app}/stop': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly stored: true;
      readonly formation: Formation;
    } | {
      readonly build: Build;
    };
  };
  /** Start an app that was stopped */
  'POST /v1/apps/{app}/start': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly stored: true;
      readonly formation: Formation;
    } | {
      readonly build: Build;
    };
  };
  /** Restart an app with new containers of what runs */
  'POST /v1/apps/{app}/restart': {
    readonly params: {
      readonly app: string;
    };
    readonly body?: {
      readonly types?: readonly string[];
    };
    readonly answer: {
      readonly stored: true;
      readonly formation: Formation;
    } | {
      readonly build: Build;
    };
  };
  /** How the releases of an app are rolled out */
  'GET /v1/apps/{app}/strategy': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: Strategy;
  };
  /** Set how releases are rolled out, over what the commits say */
  'PUT /v1/apps/{app}/strategy': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly strategy: string | null;
    };
    readonly answer: Strategy;
  };
  /** The volumes of an app, and where they are mounted */
  'GET /v1/apps/{app}/volumes': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly volumes: readonly {
        readonly name: string;
        readonly host: string;
        readonly content: string;
        readonly other?: {
          readonly content: string;
          readonly is: "restored" | "replaced";
          readonly at: string;
          readonly by: string;
        };
        readonly mounts: readonly string[];
        readonly createdAt: string;
        readonly createdBy: string;
      }[];
    };
  };
  /** Make a volume */
  'POST /v1/apps/{app}/volumes': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly name: string;
      readonly host?: string;
    };
    readonly answer: {
      readonly volumes: readonly {
        readonly name: string;
        readonly host: string;
        readonly content: string;
        readonly other?: {
          readonly content: string;
          readonly is: "restored" | "replaced";
          readonly at: string;
          readonly by: string;
        };
        readonly mounts: readonly string[];
        readonly createdAt: string;
        readonly createdBy: string;
      }[];
    };
  };
  /** Remove a volume with all that is in it */
  'DELETE /v1/apps/{app}/volumes/{name}': {
    readonly params: {
      readonly app: string;
      /** The name of a volume */
      readonly name: string;
    };
    readonly answer: {
      readonly name: string;
      readonly removed: true;
    };
  };
  /** Mount a volume in process types */
  'POST /v1/apps/{app}/volumes/{name}/mount': {
    readonly params: {
      readonly app: string;
      /** The name of a volume */
      readonly name: string;
    };
    readonly body: {
      readonly mounts: readonly string[];
    };
    readonly answer: {
      readonly stored: true;
      readonly volumes: readonly {
        readonly name: string;
        readonly host: string;
        readonly content: string;
        readonly other?: {
          readonly content: string;
          readonly is: "restored" | "replaced";
          readonly at: string;
          readonly by: string;
        };
        readonly mounts: readonly string[];
        readonly createdAt: string;
        readonly createdBy: string;
      }[];
    } | {
      readonly build: Build;
    };
  };
  /** Unmount a volume */
  'POST /v1/apps/{app}/volumes/{name}/unmount': {
    readonly params: {
      readonly app: string;
      /** The name of a volume */
      readonly name: string;
    };
    readonly body: {
      readonly mounts: readonly string[];
    };
    readonly answer: {
      readonly stored: true;
      readonly volumes: readonly {
        readonly name: string;
        readonly host: string;
        readonly content: string;
        readonly other?: {
          readonly content: string;
          readonly is: "restored" | "replaced";
          readonly at: string;
          readonly by: string;
        };
        readonly mounts: readonly string[];
        readonly createdAt: string;
        readonly createdBy: string;
      }[];
    } | {
      readonly build: Build;
    };
  };
  /** Use what a volume held before, or what was restored */
  'POST /v1/apps/{app}/volumes/{name}/exchange': {
    readonly params: {
      readonly app: string;
      /** The name of a volume */
      readonly name: string;
    };
    readonly answer: {
      readonly stored: true;
      readonly volumes: readonly {
        readonly name: string;
        readonly host: string;
        readonly content: string;
        readonly other?: {
          readonly content: string;
          readonly is: "restored" | "replaced";
          readonly at: string;
          readonly by: string;
        };
        readonly mounts: readonly string[];
        readonly createdAt: string;
        readonly createdBy: string;
      }[];
    } | {
      readonly build: Build;
    };
  };
  /** The backups of a volume in the registry */
  'GET /v1/apps/{app}/volumes/{name}/backups': {
    readonly params: {
      readonly app: string;
      /** The name of a volume */
      readonly name: string;
    };
    readonly answer: {
      readonly backups: readonly {
        readonly tag: string;
        readonly at: string;
        readonly by: string;
        readonly bytes: number;
        readonly reference: string;
        readonly stopped: readonly string[];
      }[];
    };
  };
  /** What the next sweep would keep and let go */
  'GET /v1/apps/{app}/retention': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: Retention;
  };
  /** Set how many good releases stay */
  'PATCH /v1/apps/{app}/retention': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly keep: number | null;
    };
    readonly answer: Retention;
  };
  /** Let go now what is not kept of an app */
  'POST /v1/apps/{app}/retention/run': {
    readonly params: {
      readonly app: string;
    };
    readonly body?: {
      readonly dryRun?: boolean;
    };
    readonly answer: Sweep;
  };
  /** Remove the images of no kept release from the hosts */
  'POST /v1/retention/hosts': {
    readonly body?: {
      readonly dryRun?: boolean;
      readonly app?: string;
    };
    readonly answer: HostsSweep;
  };
  /** Pin a release: it stays, however old it gets */
  'PUT /v1/apps/{app}/releases/{release}/pin': {
    readonly params: {
      readonly app: string;
      /** A release: v12, or 12 */
      readonly release: string;
    };
    readonly answer: {
      readonly app: string;
      readonly release: string;
      readonly pinned: boolean;
    };
  };
  /** Unpin a release */
  'DELETE /v1/apps/{app}/releases/{release}/pin': {
    readonly params: {
      readonly app: string;
      /** A release: v12, or 12 */
      readonly release: string;
    };
    readonly answer: {
      readonly app: string;
      readonly release: string;
      readonly pinned: boolean;
    };
  };
  /** What runs of an app */
  'GET /v1/apps/{app}/ps': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: Running;
  };
  /** What the edge counted of the traffic of an app */
  'GET /v1/apps/{app}/metrics': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly metrics: Traffic | null;
    };
  };
  /** The output of an app */
  'GET /v1/apps/{app}/logs': {
    readonly params: {
      readonly app: string;
    };
    readonly query?: {
      readonly lines?: number;
      readonly follow?: 0 | 1;
    };
    readonly answer: string;
  };
  /** The one-off commands of an app */
  'GET /v1/apps/{app}/runs': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly runs: readonly OneOff[];
      readonly silent: readonly {
        readonly host: string;
        readonly reason: string;
      }[];
    };
  };
  /** Run a command in a container of its own, detached */
  'POST /v1/apps/{app}/runs': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly command: readonly string[];
      readonly env?: { readonly [name: string]: string };
      readonly limits?: {
        readonly memory?: string;
        readonly cpus?: string;
      };
      readonly terminal?: {
        readonly columns: number;
        readonly rows: number;
      };
    };
    readonly answer: {
      readonly name: string;
      readonly host: string;
      readonly container: string;
    };
  };
  /** Stop a one-off command */
  'POST /v1/apps/{app}/runs/{name}/stop': {
    readonly params: {
      readonly app: string;
      /** A one-off command */
      readonly name: string;
    };
    readonly answer: OneOff;
  };
  /** The output of a detached command */
  'GET /v1/apps/{app}/runs/{name}/logs': {
    readonly params: {
      readonly app: string;
      /** A one-off command */
      readonly name: string;
    };
    readonly query?: {
      readonly lines?: number;
      readonly follow?: 0 | 1;
    };
    readonly answer: string;
  };
  /** The container of a process */
  'GET /v1/apps/{app}/ps/{name}': {
    readonly params: {
      readonly app: string;
      /** A process: web.1 */
      readonly name: string;
    };
    readonly answer: Container;
  };
  /** What runs in the container of a process */
  'GET /v1/apps/{app}/ps/{name}/top': {
    readonly params: {
      readonly app: string;
      /** A process: web.1 */
      readonly name: string;
    };
    readonly answer: {
      readonly titles: readonly string[];
      readonly processes: readonly (readonly string[])[];
    };
  };
  /** Memory and processor time of each process */
  'GET /v1/apps/{app}/usage': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly usage: readonly {
        readonly process: string;
        readonly release: number;
        readonly host: string;
        readonly memoryBytes: number;
        readonly memoryLimitBytes: number;
        readonly cpus: number;
        readonly processes: number;
      }[];
      readonly silent: readonly {
        readonly host: string;
        readonly reason: string;
      }[];
    };
  };
  /** What an app runs by the clock, with the next and the last run of each */
  'GET /v1/apps/{app}/cron': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: CronEntries;
  };
  /** The runs of a cron entry, the newest first */
  'GET /v1/apps/{app}/cron/{name}/runs': {
    readonly params: {
      readonly app: string;
      readonly name: string;
    };
    readonly answer: {
      readonly runs: readonly CronRun[];
    };
  };
  /** Run a cron entry now */
  'POST /v1/apps/{app}/cron/{name}/runs': {
    readonly params: {
      readonly app: string;
      readonly name: string;
    };
    readonly answer: CronStarted;
  };
  /** The output of a run; `last` is the newest that began */
  'GET /v1/apps/{app}/cron/{name}/runs/{run}/logs': {
    readonly params: {
      readonly app: string;
      readonly name: string;
      readonly run: string;
    };
    readonly query?: {
      readonly lines?: number;
      readonly follow?: 0 | 1;
    };
    readonly answer: string;
  };
  /** The hosts, and how each is now */
  'GET /v1/hosts': {
    readonly answer: {
      readonly hosts: readonly HostNow[];
    };
  };
  /** Add a host */
  'POST /v1/hosts': {
    readonly body: {
      readonly name: string;
      readonly address: string;
      readonly labels?: { readonly [name: string]: string };
      readonly fingerprint?: string;
      readonly tls?: {
        readonly ca: string;
        readonly cert: string;
        readonly key: string;
      };
      readonly check?: boolean;
    };
    readonly answer: {
      readonly host: Host;
      readonly warnings: readonly string[];
    };
  };
  /** A host, how it is now, and the apps on it */
  'GET /v1/hosts/{name}': {
    readonly params: {
      readonly name: string;
    };
    readonly answer: {
      readonly name: string;
      readonly address: string;
      readonly pullPort?: number;
      readonly tls?: true;
      readonly labels: { readonly [name: string]: string };
      readonly unchecked?: true;
      readonly cordoned?: {
        readonly at: string;
        readonly by: string;
        readonly reason?: string;
      };
      readonly addedAt: string;
      readonly addedBy: string;
      readonly version?: string;
      readonly containers?: number;
      readonly nodes?: {
        readonly total: number;
        readonly ready: number;
        readonly managers: number;
      };
      readonly problem?: string;
      readonly apps: readonly string[];
    };
  };
  /** Label a host, cordon it, or take the cordon away */
  'PATCH /v1/hosts/{name}': {
    readonly params: {
      readonly name: string;
    };
    readonly body?: {
      readonly labels?: { readonly [name: string]: string | null };
      readonly cordoned?: {
        readonly reason?: string;
      } | null;
    };
    readonly answer: Host;
  };
  /** Remove a host */
  'DELETE /v1/hosts/{name}': {
    readonly params: {
      readonly name: string;
    };
    readonly query?: {
      /** 1 also removes a host that apps run on */
      readonly force?: 0 | 1;
    };
    readonly answer: {
      readonly name: string;
      readonly containers?: number;
      readonly problem?: string;
    };
  };
  /** Check a host */
  'POST /v1/hosts/{name}/check': {
    readonly params: {
      readonly name: string;
    };
    readonly answer: HostReport;
  };
  /** The public key that hosts let in */
  'GET /v1/host-key': {
    readonly answer: {
      readonly publicKey: string;
    };
  };
  /** Install what a host needs */
  'POST /v1/host-preparations': {
    readonly body: {
      readonly address: string;
      readonly fingerprint?: string;
    };
    readonly answer: string;
  };
  /** Where an app runs, and where its next release would */
  'GET /v1/apps/{app}/placement': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: Placement;
  };
  /** Place an app on hosts by name or label */
  'PUT /v1/apps/{app}/placement': {
    readonly params: {
      readonly app: string;
    };
    readonly body: {
      readonly placement: {
        readonly hosts: readonly string[];
      } | {
        readonly label: {
          readonly name: string;
          readonly value: string;
        };
      } | null;
    };
    readonly answer: Placement | {
      readonly build: Build;
    };
  };
  /** Whom your token speaks for, and what it allows */
  'GET /v1/whoami': {
    readonly answer: {
      readonly name: string;
      readonly apps: "*" | readonly string[];
      readonly admin: boolean;
      readonly mayCreateApps: boolean;
      readonly user?: string;
    };
  };
  /** Make a token; it is shown this once */
  'POST /v1/tokens': {
    readonly body?: {
      readonly name?: string;
      readonly apps?: "*" | readonly string[];
      readonly role?: "viewer" | "developer" | "admin";
      readonly expiresIn?: number;
      readonly mayCreateApps?: boolean;
      readonly admin?: boolean;
    };
    readonly answer: {
      readonly id: string;
      readonly token: string;
      readonly name: string;
      readonly apps: "*" | readonly string[];
      readonly admin: boolean;
      readonly mayCreateApps: boolean;
      readonly ofUser?: true;
      readonly role?: "viewer" | "developer" | "admin";
      readonly expiresAt?: string;
    };
  };
  /** Your tokens, also the revoked ones, the oldest first; for administrators those of everybody */
  'GET /v1/tokens': {
    readonly answer: {
      readonly tokens: readonly Token[];
    };
  };
  /** Revoke a token, at once */
  'DELETE /v1/tokens/{id}': {
    readonly params: {
      readonly id: string;
    };
    readonly answer: {
      readonly id: string;
      readonly revoked: true;
    };
  };
  /** The users, by name, with their roles */
  'GET /v1/users': {
    readonly answer: {
      readonly users: readonly User[];
    };
  };
  /** Add a user */
  'POST /v1/users': {
    readonly body: {
      readonly name: string;
      readonly administrator?: boolean;
      readonly mayCreateApps?: boolean;
    };
    readonly answer: User;
  };
  /** Change what a user may do with the platform */
  'PATCH /v1/users/{user}': {
    readonly params: {
      readonly user: string;
    };
    readonly body?: {
      readonly administrator?: boolean;
      readonly mayCreateApps?: boolean;
    };
    readonly answer: User;
  };
  /** Remove a user, with their keys, tokens and roles */
  'DELETE /v1/users/{user}': {
    readonly params: {
      readonly user: string;
    };
    readonly answer: {
      readonly name: string;
      readonly removed: true;
    };
  };
  /** Who may do what with an app */
  'GET /v1/apps/{app}/access': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly members: readonly Member[];
    };
  };
  /** Give a user a role in an app */
  'PUT /v1/apps/{app}/access/{user}': {
    readonly params: {
      readonly app: string;
      readonly user: string;
    };
    readonly body: {
      readonly role: "viewer" | "developer" | "admin";
    };
    readonly answer: Member;
  };
  /** Take a user’s role in an app away */
  'DELETE /v1/apps/{app}/access/{user}': {
    readonly params: {
      readonly app: string;
      readonly user: string;
    };
    readonly answer: {
      readonly user: string;
      readonly removed: true;
    };
  };
  /** Your SSH keys; for administrators those of everybody */
  'GET /v1/keys': {
    readonly answer: {
      readonly keys: readonly SshKey[];
    };
  };
  /** Add an SSH key */
  'POST /v1/keys': {
    readonly body: {
      readonly key: string;
      readonly user?: string;
    };
    readonly answer: SshKey;
  };
  /** Remove an SSH key, at once */
  'DELETE /v1/keys/{fingerprint}': {
    readonly params: {
      readonly fingerprint: string;
    };
    readonly answer: {
      readonly fingerprint: string;
      readonly removed: true;
    };
  };
  /** Who changed what, of all that you may see */
  'GET /v1/events': {
    readonly query?: {
      readonly limit?: number;
      readonly cursor?: string;
      readonly after?: string;
    };
    readonly answer: {
      readonly events: readonly Event[];
      readonly next?: string;
    };
  };
  /** Who changed what of an app */
  'GET /v1/apps/{app}/events': {
    readonly params: {
      readonly app: string;
    };
    readonly query?: {
      readonly limit?: number;
      readonly cursor?: string;
      readonly after?: string;
    };
    readonly answer: {
      readonly events: readonly Event[];
      readonly next?: string;
    };
  };
  /** This document */
  'GET /v1/openapi.json': {
    readonly answer: {
      readonly openapi: string;
    };
  };
  /** All apps that you may see, each at a glance */
  'GET /v1/overview': {
    readonly answer: {
      readonly apps: readonly AppGlance[];
    };
  };
  /** The builds that have not ended, of all apps that you may see; the oldest first */
  'GET /v1/queue': {
    readonly answer: {
      readonly builds: readonly Build[];
    };
  };
  /** The names of the config vars of an app, without their values */
  'GET /v1/apps/{app}/vars': {
    readonly params: {
      readonly app: string;
    };
    readonly answer: {
      readonly vars: readonly string[];
    };
  };
  /** The value of one config var */
  'GET /v1/apps/{app}/vars/{name}': {
    readonly params: {
      readonly app: string;
      readonly name: string;
    };
    readonly answer: {
      readonly name: string;
      readonly value: string;
    };
  };
}
