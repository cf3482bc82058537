/** What the words of a COPY or ADD name: paths of a tree, files of URLs, repositories, and heredocs. */
import type { CopyStep, StepSource } from '../../dockerfile/step.js';
import { openArchive } from '../add/archive.js';
import { shownUrl } from '../add/download.js';
import { openUrl } from '../add/url-source.js';
import { hashOf } from '../cache/keys.js';
import { CONTEXT_MTIME } from '../context/context-selection.js';
import type { CopiedSource } from '../copy/copy.js';
import { type CopySource, plainSelector } from '../copy/copy-source.js';
import type { StepTools } from './execution.js';

export interface SelectedSource extends CopiedSource {
  /** As errors and reasons name it. */
  readonly argument: string;
  /** Its content decides whether it is copied or taken apart. */
  readonly unpack: boolean;
}

/** Everything that the instruction names, in order; heredocs come last. `tree` is what paths are of. */
export async function selectSources(
  step: CopyStep,
  tree: () => Promise<CopySource>,
  tools: StepTools,
): Promise<readonly SelectedSource[]> {
  const selected: SelectedSource[] = [];
  for (const source of step.sources) selected.push(...(await selectSource(source, step, tree, tools)));
  for (const heredoc of step.heredocs) selected.push(inlineFile(heredoc.name, heredoc.content));
  return selected;
}

async function selectSource(
  wanted: StepSource,
  step: CopyStep,
  tree: () => Promise<CopySource>,
  tools: StepTools,
): Promise<readonly SelectedSource[]> {
  const { parents, exclude, checksum } = step;
  if (wanted.kind === 'url') {
    const { source, selection } = await openUrl(wanted.url, checksum, {
      store: tools.store,
      allowed: tools.downloadAllow,
      maxBytes: tools.limits.stepDiskBytes,
      timeoutMs: tools.limits.stepTimeoutMs,
      signal: tools.signal,
    });
    return [{ argument: shownUrl(wanted.url), source, selection, unpack: step.unpack === true }];
  }
  const isPath = wanted.kind === 'path';
  const source = isPath ? await tree() : await tools.openGit(wanted.git);
  const argument = isPath ? wanted.path : shownUrl(wanted.git.remote);
  const selector = isPath
    ? { path: wanted.path, parents, exclude, ...(wanted.pivot === undefined ? {} : { pivot: wanted.pivot }) }
    : { ...plainSelector('.'), exclude };
  const unpack = isPath && step.add && step.unpack !== false;
  return (await source.select(selector)).map((selection) => ({ argument, source, selection, unpack }));
}

/** The same sources, with what is in those that are archives and are to be unpacked. */
export async function openArchives(
  selected: readonly SelectedSource[],
  tools: Pick<StepTools, 'limits' | 'signal'>,
  scratch: () => Promise<string>,
): Promise<readonly SelectedSource[]> {
  const opened: SelectedSource[] = [];
  for (const one of selected) {
    const root = one.unpack ? (await one.selection.entries())[0] : undefined;
    const archive =
      root?.type === 'file'
        ? await openArchive(`"${one.argument}"`, await one.source.content(root), {
            scratch,
            maxBytes: tools.limits.stepDiskBytes,
            signal: tools.signal,
          })
        : undefined;
    opened.push(archive === undefined ? one : { ...one, archive });
  }
  return opened;
}

/** A heredoc's file: named by its delimiter, 0644, root's (Dockerfile reference, "Here-Documents"). */
function inlineFile(name: string, text: string): SelectedSource {
  const data = Buffer.from(text);
  const file = {
    path: '',
    type: 'file',
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: CONTEXT_MTIME,
    sizeBytes: data.length,
    handle: name,
  } as const;
  return {
    argument: `<<${name}`,
    unpack: false,
    selection: { name, path: name, content: `inline:${hashOf([text])}`, entries: async () => [file] },
    source: { select: async () => [], content: async () => ({ data }) },
  };
}
