/** What a commit's Procfile and app.json say together. Pure. */
import { type Declared, type DeclaredProcess, WEB_TYPE } from '../model/process.js';
import { appJsonInvalid, parseAppJson } from './app-json.js';
import { commandArgv } from './command.js';
import { parseProcfile } from './procfile.js';

/** A commit without either file: the image's own command as `web`. Throws `procfile_invalid` or `app_json_invalid`. */
export function declaredProcesses(files: {
  readonly procfile?: string;
  readonly appJson?: string;
}): Declared {
  const { commands, release } = parseProcfile(files.procfile ?? '');
  const { formation, healthchecks, cron, strategy, mounts } = parseAppJson(files.appJson ?? '{}');
  const types = [WEB_TYPE, ...[...commands.keys()].filter((type) => type !== WEB_TYPE)];
  for (const [field, named] of Object.entries({ formation, healthchecks }))
    for (const [type, { line }] of named)
      if (!types.includes(type))
        throw appJsonInvalid(line, `${field} names ${type}, which the Procfile does not have`);
  for (const { type, line } of mounts)
    if (!types.includes(type))
      throw appJsonInvalid(line, `volumes names ${type}, which the Procfile does not have`);
  const processes = types.map((type): DeclaredProcess => {
    const command = commands.get(type);
    const { quantity, resources } = formation.get(type) ?? {};
    const { checks = [] } = healthchecks.get(type) ?? {};
    const volumes = mounts
      .filter((mount) => mount.type === type)
      .map(({ line: _line, type: _type, ...mount }) => mount);
    return {
      type,
      ...(command === undefined ? {} : { command: commandArgv(command) }),
      ...(quantity === undefined ? {} : { quantity }),
      ...(resources === undefined ? {} : { resources }),
      ...(checks.length === 0 ? {} : { checks }),
      ...(volumes.length === 0 ? {} : { mounts: volumes }),
    };
  });
  return {
    processes,
    ...(release === undefined ? {} : { releasePhase: commandArgv(release) }),
    ...(cron.length === 0 ? {} : { cron }),
    ...(strategy === undefined ? {} : { strategy }),
  };
}
