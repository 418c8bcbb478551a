/**
 * What the Jupyter Server half of Farcell answers, and the calls to it. Field names are those of the wire.
 */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

export interface IOffer {
  readonly name: string;
  readonly label: string;
  readonly gpu: string | null;
  readonly memory_bytes: number;
  readonly count_total: number;
  readonly count_free: number;
  readonly price_nanos_per_s: number;
  readonly spawner: string;
  readonly isolation: string;
  readonly isolations: readonly string[];
  readonly mounts: readonly string[];
  readonly simulated: boolean;
}

export interface IQueuePlace {
  readonly place: number;
  readonly reason: string;
  readonly expected_wait_s: number | null;
}

export interface IBuildProgress {
  readonly step: number;
  readonly steps: number;
  readonly what: string;
}

export type SessionState =
  | 'building'
  | 'queued'
  | 'starting'
  | 'idle'
  | 'busy'
  | 'stopping'
  | 'stopped'
  | 'lost';

export interface ISession {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly state: SessionState;
  readonly label: string;
  readonly path: string;
  readonly cost_nanos: number;
  readonly simulated: boolean;
  readonly queue: IQueuePlace | null;
  /** Absent where the gateway is older than builds are. */
  readonly build?: IBuildProgress | null;
}

export interface IOverview {
  readonly gateway: 'running' | 'not-running';
  readonly offers: readonly IOffer[];
  readonly sessions: readonly ISession[];
}

/** An answer that is not the asked one; its message is a sentence for the user. */
export class GatewayError extends Error {
  constructor(
    readonly code: string,
    message: string
  ) {
    super(message);
    this.name = 'GatewayError';
  }
}

/** Offers and sessions, at one moment. Rejects with `GatewayError`, or `NetworkError` when nobody answers. */
export async function requestOverview(
  settings: ServerConnection.ISettings
): Promise<IOverview> {
  return request<IOverview>('overview', settings);
}

async function request<T>(
  path: string,
  settings: ServerConnection.ISettings
): Promise<T> {
  const url = URLExt.join(settings.baseUrl, 'farcell', path);
  const response = await ServerConnection.makeRequest(url, {}, settings);
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    throw errorFrom(body, response);
  }
  return body as T;
}

function errorFrom(body: unknown, response: Response): GatewayError {
  const { code, message } = (body ?? {}) as Record<string, unknown>;
  return new GatewayError(
    typeof code === 'string' ? code : 'internal-error',
    typeof message === 'string' && message
      ? message
      : `${String(response.status)} ${response.statusText}`
  );
}
