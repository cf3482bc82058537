/** What went wrong with a registry, as an error a person can act on. */
import { type ErrorCode, type ErrorDetails, SlipwayError } from '../errors.js';

export interface FaultDetails extends ErrorDetails {
  readonly status?: number;
  /** The registry's own codes: `MANIFEST_UNKNOWN` (OCI distribution-spec, "Error Codes"). */
  readonly reasons?: readonly RegistryReason[];
  readonly retryAfterMs?: number | undefined;
  /** A kept-alive connection broke before it carried anything back. */
  readonly staleConnection?: boolean;
}

export interface RegistryReason {
  readonly code: string;
  readonly message: string;
  readonly detail?: unknown;
}

/** An answer or a silence of a registry. Temporary ones are worth another try. */
export class RegistryFault extends SlipwayError {
  readonly status: number | undefined;
  readonly reasons: readonly RegistryReason[];
  readonly retryAfterMs: number | undefined;
  readonly staleConnection: boolean;

  constructor(code: ErrorCode, message: string, details: FaultDetails = {}) {
    super(code, message, details);
    this.status = details.status;
    this.reasons = details.reasons ?? [];
    this.retryAfterMs = details.retryAfterMs;
    this.staleConnection = details.staleConnection ?? false;
  }

  has(reason: string): boolean {
    return this.reasons.some(({ code }) => code === reason);
  }
}

export interface Asked {
  /** The registry as images name it. */
  readonly registry: string;
  /** The image or blob in full, for the error's place. */
  readonly where: string;
}

/** A connection that could not be made or broke. */
export function connectionFault(thrown: unknown, asked: Asked, staleConnection: boolean): RegistryFault {
  const error: NodeJS.ErrnoException = thrown instanceof Error ? thrown : new Error(String(thrown));
  const code = error.code ?? '';
  const common = { where: asked.where, cause: thrown, staleConnection };
  if (code === 'EPROTO' || code === 'ERR_SSL_WRONG_VERSION_NUMBER') {
    return new RegistryFault('registry_unavailable', `the registry ${asked.registry} does not speak TLS`, {
      ...common,
      hint: 'if it may be spoken to in plain text, add it to SLIPWAY_INSECURE_REGISTRIES',
    });
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALTNAME/.test(code)) {
    return new RegistryFault(
      'registry_unavailable',
      `the certificate of ${asked.registry} is not trusted: ${code}`,
      {
        ...common,
        hint: "give the registry's authority to Node with NODE_EXTRA_CA_CERTS",
      },
    );
  }
  const said =
    error instanceof AggregateError
      ? ((error.errors[0] as Error | undefined)?.message ?? code)
      : error.message;
  return new RegistryFault(
    'registry_unavailable',
    `the registry ${asked.registry} cannot be reached: ${said}`,
    {
      ...common,
      temporary: code !== 'ENOTFOUND',
      hint: 'check that the registry runs and that this machine reaches it, then try again',
    },
  );
}

/** A status that was not hoped for. */
export function statusFault(
  status: number,
  body: Buffer,
  retryAfterMs: number | undefined,
  asked: Asked & { readonly missing?: string },
): RegistryFault {
  const reasons = parseReasons(body);
  const said = reasons.map(({ code, message }) => (message === '' ? code : `${code}: ${message}`)).join('; ');
  const answer = `the registry ${asked.registry} answered ${status}${said === '' ? '' : ` (${said})`}`;
  const common = { where: asked.where, status, reasons, retryAfterMs };
  if (status === 404) {
    return new RegistryFault(
      'image_not_found',
      `${asked.missing ?? 'the image'} is not in ${asked.registry}`,
      {
        ...common,
        hint: 'check the name and the tag, and that it was pushed there',
      },
    );
  }
  if (status === 401 || status === 403) {
    return new RegistryFault('registry_denied', answer, {
      ...common,
      hint: 'the image may not exist, or may need credentials: check its name, and the user and password set for this registry',
    });
  }
  if (status === 429 || status === 408 || status >= 500) {
    const wait = retryAfterMs === undefined ? '' : `; it asks to wait ${Math.ceil(retryAfterMs / 1000)} s`;
    return new RegistryFault('registry_unavailable', `${answer}${wait}`, {
      ...common,
      temporary: true,
      hint: 'try again later',
    });
  }
  return new RegistryFault('registry_denied', answer, common);
}

const REASONS = 5;
const REASON_CHARS = 200;

/** Only what a registry says in its own error format is passed on: another service's answer may hold anything. */
function parseReasons(body: Buffer): RegistryReason[] {
  try {
    const json = JSON.parse(body.toString('utf8')) as { errors?: unknown } | null;
    if (!Array.isArray(json?.errors)) return [];
    return (json.errors as unknown[]).slice(0, REASONS).flatMap((entry) => {
      const { code, message, detail } = (entry ?? {}) as Record<string, unknown>;
      return typeof code === 'string'
        ? [{ code: printable(code), message: printable(message ?? ''), detail }]
        : [];
    });
  } catch {
    return [];
  }
}

function printable(value: unknown): string {
  return String(value)
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, REASON_CHARS);
}
